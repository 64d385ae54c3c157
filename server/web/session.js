// The token that this tab shows the server, where the server wants one. It lives
// as long as the tab does, and no other site can read it.

import { byId } from "./dom.js";

const key = "token";
let asking = null; // the promise of a token that the visitor is being asked for
let declined = false;

export const token = () => sessionStorage.getItem(key);

// headers are what every request carries.
export const headers = () => (token() ? { Authorization: `Bearer ${token()}` } : {});

// renew asks the visitor for another token because of what the server said; it
// tells whether one was given. A visitor who declined isn't asked again unasked.
export function renew(why, unasked = true) {
  button().hidden = false;
  if (unasked && declined) return Promise.resolve(false);
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

// makeSession runs the button that changes or forgets the token; onChange is
// called after it did.
export function makeSession(onChange) {
  button().hidden = !token();
  button().addEventListener("click", async () => {
    if (await renew("Show the server another token, or leave the field empty to keep the one you have.", false)) onChange();
  });
  byId("token-cancel").addEventListener("click", () => byId("token-dialog").close("no"));
  // A page begun anew keeps nothing of what the token let it see.
  byId("token-forget").addEventListener("click", () => {
    sessionStorage.removeItem(key);
    location.replace(location.pathname);
  });
}
