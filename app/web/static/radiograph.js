// Shows and hides the outlines of a radiograph.
"use strict";
document.addEventListener("change", event => {
  const outline = document.getElementById(event.target.dataset.outline || "");
  if (outline) outline.classList.toggle("hidden", !event.target.checked);
});
