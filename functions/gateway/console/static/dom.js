// Making elements. Whatever comes from the API gets into the page as text nodes and attributes, never as markup.

const SVG = "http://www.w3.org/2000/svg";

// el("p", { class: "x", onclick: f, hidden: true }, "text", node, [more], null)
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

let made = 0;

// An id that no other element has.
export function newId(word) {
  made += 1;
  return `${word}-${made}`;
}

// Of a live region that is always there: what changes without a focus being moved is said by a screen reader.
export function announce(text) {
  const region = document.getElementById("announcements");
  if (region) region.textContent = text;
}
