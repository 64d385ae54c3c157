// Whether the server answers: the status at the top, and a banner with the age of the
// figures while there are no new ones.

import { isSilence } from "./api.js";
import { byId, setText } from "./dom.js";

const faults = {}; // of what is fetched repeatedly, by name
let heard = 0; // when the last answer arrived; 0 before the first

// hear records the fault of fetching something, null if there is none. An answer to one
// request shows that the server is there for the others.
export function hear(what, fault) {
  faults[what] = fault;
  if (!isSilence(fault)) {
    heard = performance.now();
    for (const other in faults) if (isSilence(faults[other])) faults[other] = null;
  }
  show();
}

function show() {
  const fault = faults.memory ?? faults.list, silent = isSilence(fault);
  byId("pulse").className = `pulse ${fault ? "lost" : "live"}`;
  setText(byId("pulse-text"), !fault ? "live" : silent ? "no answer from the server" : fault.message);
  byId("outage").hidden = !silent;
  document.body.classList.toggle("silent", silent);
  setText(byId("outage-what"), silent ? `${fault.message}.` : "");
  age();
}

// age is not in the alert, so that screen readers do not repeat it.
function age() {
  const seconds = Math.round((performance.now() - heard) / 1000);
  setText(byId("outage-age"), heard ? `These figures are ${seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`} old.` : "");
}
setInterval(age, 1000);
