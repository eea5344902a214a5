import { el } from "../dom.js";
export const title = () => "Overview";
export function show(root) { root.append(el("p", {}, "…")); }
