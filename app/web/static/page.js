// Live changes, the colour scheme, and what HTML cannot do itself. Without this file every page still works.
"use strict";

// Before anything is drawn: the scheme that the user chose, instead of the system's
const chosen = localStorage.getItem("scheme");
if (chosen === "dark" || chosen === "light") document.documentElement.dataset.scheme = chosen;

document.addEventListener("DOMContentLoaded", () => {
  const select = document.getElementById("scheme");
  if (select) {
    select.value = chosen || "system";
    select.addEventListener("change", () => {
      localStorage.setItem("scheme", select.value);
      if (select.value === "system") delete document.documentElement.dataset.scheme;
      else document.documentElement.dataset.scheme = select.value;
    });
  }
  if (document.body.dataset.shown) listen(document.body.dataset.shown);
});

// The server ends a stream each minute, and the browser connects again, with the id of the last event. Told is
// what has changed since `shown`
function listen(shown) {
  const source = new EventSource(`/events?shown=${encodeURIComponent(shown)}`);
  for (const name of ["jobs", "health"]) {
    source.addEventListener(name, () => {
      if (!document.hidden) htmx.trigger(document.body, name);
    });
  }
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) for (const name of ["jobs", "health"]) htmx.trigger(document.body, name);
  });
}
