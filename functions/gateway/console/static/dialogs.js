// Before anything is done it is shown: what it will do, and the command line that does the same.

import { el, newId } from "./dom.js";
import { commandLine, loading, problemBox } from "./parts.js";

// Opens a dialog and gives what `act` gave, or null when nothing was done.
// prepare: gives {body, command, button, act, danger}, after a dry run, where there is one; `act` is called with the
// dialog's form. Without `act` there is nothing to be done, and the dialog only says so.
export function confirm(title, prepare) {
  const titleId = newId("dialog");
  const content = el("div", { class: "dialog-body" }, loading());
  const says = el("div", { class: "form-problem" });
  const close = el("button", { type: "button", onclick: () => dialog.close() }, "Do nothing");
  const buttons = el("div", { class: "buttons" }, close);
  const form = el("form", { novalidate: true }, el("h2", { id: titleId }, title), content, says, buttons);
  const dialog = el("dialog", { "aria-labelledby": titleId }, form);
  let done = null;
  let act = null;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button[type=submit]");
    if (!button || button.disabled) return;
    button.disabled = true;
    says.replaceChildren();
    try {
      done = (await act(form)) ?? true;
      dialog.close();
    } catch (error) {
      says.replaceChildren(problemBox(error));
      button.disabled = false;
    }
  });

  async function fill() {
    try {
      const prepared = await prepare();
      act = prepared.act;
      const command = el("div", {}, prepared.command && commandLine(prepared.command));
      content.replaceChildren(...[prepared.body].flat().filter(Boolean), command);
      if (!act) {
        close.textContent = "Close";
        return;
      }
      const kind = prepared.danger ? "danger" : "primary";
      buttons.prepend(el("button", { type: "submit", class: kind }, prepared.button));
      // Where the command depends on what is filled in, it is written again.
      if (prepared.commandOf) {
        const write = () => command.replaceChildren(commandLine(prepared.commandOf(form)));
        form.addEventListener("input", write);
        write();
      }
      const first = content.querySelector("input, textarea, select");
      (first || close).focus();
    } catch (error) {
      content.replaceChildren(problemBox(error));
    }
  }

  const opener = document.activeElement;
  document.body.append(dialog);
  dialog.showModal();
  close.focus();
  fill();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      // The browser gives the focus back, but not to what has been drawn anew meanwhile.
      if (!opener.isConnected) document.querySelector("main h1").focus({ preventScroll: true });
      resolve(done);
    });
  });
}

// Something that is shown once: a new key.
export function shown(title, body) {
  return confirm(title, async () => ({ body }));
}
