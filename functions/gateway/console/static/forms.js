// Forms, and what an answer says about their fields.

import { el, newId } from "./dom.js";
import { problemBox } from "./parts.js";
import { channelNames } from "./session.js";

// A field with its label. name: as the API has it, by which errors are put at it
// kind: "text", "search", "password", "number", "datetime-local", "textarea", "checkbox", or a list of options
// [value, text] of a select
export function field(name, label, { kind = "text", value = "", hint, ...attributes } = {}) {
  const id = newId("field");
  const errorId = `${id}-error`;
  const hintId = hint ? `${id}-hint` : null;
  const common = { id, name, "aria-describedby": [hintId, errorId].filter(Boolean).join(" "), ...attributes };
  let control;
  if (Array.isArray(kind)) {
    const options = kind.map(([each, text]) => el("option", { value: each, selected: each === value }, text));
    control = el("select", common, options);
  } else if (kind === "textarea") {
    control = el("textarea", { rows: 4, spellcheck: "false", ...common }, value);
  } else if (kind === "checkbox") {
    control = el("input", { type: kind, checked: Boolean(value), ...common });
  } else {
    control = el("input", { type: kind, value, autocomplete: "off", spellcheck: "false", ...common });
  }
  return el(
    "div",
    { class: `field ${{ checkbox: "check", textarea: "wide" }[kind] || ""}`, "data-field": name },
    el("label", { for: id }, label),
    control,
    hint && el("p", { class: "hint", id: hintId }, hint),
    el("p", { class: "field-error", id: errorId }),
  );
}

// A channel: one of those there are, where they are known. any: the text of none of them
export function channelField({ any = "any", label = "Channel", ...more } = {}) {
  const names = channelNames();
  const options = [...(any === null ? [] : [["", any]]), ...names.map((name) => [name, name])];
  return field("channel", label, { ...(names.length ? { kind: options } : {}), ...more });
}

// Values of a form by name. A checkbox is true or false, an empty field is left out.
export function values(form) {
  const found = {};
  for (const control of form.elements) {
    if (!control.name || control.disabled || control.closest("[hidden]")) continue;
    if (control.type === "checkbox") found[control.name] = control.checked;
    else if (control.value.trim() !== "") found[control.name] = control.value.trim();
  }
  return found;
}

// submit: called with the values; what it throws is shown at the fields that it names, or above the buttons
export function form(fields, buttonText, submit, { label, plain = false } = {}) {
  const says = el("div", { class: "form-problem" });
  const button = el("button", { type: "submit", class: !plain && "primary" }, buttonText);
  const made = el(
    "form",
    { "aria-label": label || buttonText, novalidate: true },
    el("div", { class: "fields" }, fields),
    says,
    el("div", { class: "buttons" }, button),
  );
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    clearErrors(made);
    says.replaceChildren();
    button.disabled = true;
    try {
      await submit(values(made), made);
    } catch (error) {
      if (error.name !== "AbortError") showErrors(made, says, error);
    } finally {
      button.disabled = false;
    }
  });
  return made;
}

function clearErrors(made) {
  for (const error of made.querySelectorAll(".field-error")) error.textContent = "";
  for (const control of made.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

function showErrors(made, says, error) {
  let first = null;
  for (const { field: name, message } of error.errors || []) {
    const place = [...made.querySelectorAll("[data-field]")].find(
      (each) => !each.closest("[hidden]") && (each.dataset.field === name || name.endsWith(`.${each.dataset.field}`)),
    );
    if (!place) continue;
    place.querySelector(".field-error").textContent = message;
    const control = place.querySelector("input, select, textarea");
    control.setAttribute("aria-invalid", "true");
    first = first || control;
  }
  says.replaceChildren(problemBox(error));
  if (first) first.focus();
}
