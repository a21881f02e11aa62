// Corrects the segments of the viewer with NiiVue's pen, and sends them to the node.
"use strict";
document.addEventListener("viewer", ({ detail: view }) => {
  const { planes, address } = view;
  const find = id => document.getElementById(id);
  const section = find("correct");
  // A CT that is shown without some slices cannot be corrected here
  if (!section || !view.complete) return;
  section.hidden = false;
  const value = () => Number(find("segment").value);

  function say(text) {
    find("corrected").textContent = text;
  }

  // Not setDrawingEnabled, which removes what is drawn
  function take() {
    const tool = find("tool").value;
    planes.opts.drawingEnabled = section.open && tool !== "look";
    planes.opts.penSize = Number(find("pen").value) || 1;
    planes.setPenValue(tool === "erase" ? 0 : value(), false);
  }
  for (const id of ["tool", "segment", "pen"]) find(id).addEventListener("change", take);
  section.addEventListener("toggle", take);

  function changed(count) {
    planes.drawAddUndoBitmap();
    planes.refreshDrawing(true);
    say(`${count} voxels changed.`);
  }

  // The part of a segment that is connected with the crosshair
  find("relabel").addEventListener("click", () => {
    const drawn = planes.drawBitmap, [, nx, ny] = planes.volumes[0].dimsRAS, layer = nx * ny;
    const [x, y, z] = planes.frac2vox(planes.scene.crosshairPos);
    const start = x + nx * (y + ny * z), from = drawn[start], to = value();
    if (!from || from === to) {
      say("Put the crosshair on another segment first.");
      return;
    }
    const waiting = [start];
    let count = 1;
    drawn[start] = to;
    while (waiting.length) {
      const at = waiting.pop(), column = at % nx, row = Math.floor(at / nx) % ny;
      for (const [step, inside] of [
        [-1, column > 0], [1, column < nx - 1], [-nx, row > 0], [nx, row < ny - 1], [-layer, true], [layer, true],
      ]) {
        if (!inside || drawn[at + step] !== from) continue;
        drawn[at + step] = to;
        count += 1;
        waiting.push(at + step);
      }
    }
    changed(count);
  });

  find("merge").addEventListener("click", () => {
    const drawn = planes.drawBitmap, from = Number(find("merged").value), to = value();
    let count = 0;
    for (let n = 0; n < drawn.length; n++) {
      if (drawn[n] === from && from !== to) {
        drawn[n] = to;
        count += 1;
      }
    }
    changed(count);
  });

  find("undo").addEventListener("click", () => {
    planes.drawUndo();
    say("");
  });

  find("save").addEventListener("click", async event => {
    event.target.disabled = true;
    say("Sending…");
    const packed = new Blob([planes.drawBitmap]).stream().pipeThrough(new CompressionStream("gzip"));
    const form = new FormData();
    form.append("csrf", section.dataset.csrf);
    form.append("labels", await new Response(packed).blob(), "labels.gz");
    const answer = await fetch(`${address}/corrections`, { method: "POST", body: form });
    if (answer.ok) {
      location.reload();
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    say(page.querySelector("main p")?.textContent || "Not filed.");
    event.target.disabled = false;
  });
});
