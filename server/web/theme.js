// Light, dark, or the system's colours; the choice is remembered in this browser.

import { byId } from "./dom.js";

const choices = ["system", "light", "dark"];

export function makeTheme() {
  const button = byId("theme");
  const show = (choice) => {
    if (choice === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
    button.setAttribute("aria-label", `Colours: ${choice === "system" ? "same as the system" : choice}`);
  };
  let choice = localStorage.getItem("theme") ?? "system";
  show(choice);
  button.addEventListener("click", () => {
    choice = choices[(choices.indexOf(choice) + 1) % choices.length];
    localStorage.setItem("theme", choice);
    show(choice);
  });
}
