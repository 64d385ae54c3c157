// The token that this tab sends, if the server requires one. It is kept as long as the tab
// is open, and no other site can read it.

import { byId } from "./dom.js";

const key = "token";
let asking = null; // the promise of the dialog that is open
let declined = false;

export const token = () => sessionStorage.getItem(key);

// headers returns the headers of every request.
export const headers = () => (token() ? { Authorization: `Bearer ${token()}` } : {});

// renew asks the visitor for another token and returns whether one was given. why is shown
// in the dialog. A visitor who has declined is asked again only on request.
export function renew(why, onRequest = false) {
  button().hidden = false;
  if (declined && !onRequest) return Promise.resolve(false);
  asking ??= ask(why).finally(() => (asking = null));
  return asking;
}

function ask(why) {
  const dialog = byId("token-dialog"), field = byId("token-field");
  byId("token-why").textContent = why;
  field.value = "";
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => {
      const given = field.value.trim();
      declined = dialog.returnValue !== "yes" || !given;
      if (!declined) sessionStorage.setItem(key, given);
      button().hidden = false;
      resolve(!declined);
    };
  });
}

const button = () => byId("token");

// makeSession runs the button that changes or forgets the token. onChange is called when
// there is another one.
export function makeSession(onChange) {
  button().hidden = !token();
  button().addEventListener("click", async () => {
    if (await renew("Enter another token, or leave the field empty to keep the present one.", true)) onChange();
  });
  byId("token-cancel").addEventListener("click", () => byId("token-dialog").close("no"));
  // A page that is loaded again keeps nothing that the token gave access to.
  byId("token-forget").addEventListener("click", () => {
    sessionStorage.removeItem(key);
    location.replace(location.pathname);
  });
}
