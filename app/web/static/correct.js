// Corrects the segments of the viewer with NiiVue's pen, splits them along lines, and sends them to the node.
"use strict";
document.addEventListener("viewer", ({ detail: view }) => {
  const { planes, address, rows } = view;
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
    planes.opts.drawingEnabled = section.open && (tool === "brush" || tool === "erase");
    planes.opts.penSize = Number(find("pen").value) || 1;
    planes.setPenValue(tool === "erase" ? 0 : value(), false);
    find("split").hidden = tool !== "split";
    find("planes").parentElement.classList.toggle("cutting", isSplitting());
    if (!isSplitting()) forget();
  }
  for (const id of ["tool", "segment", "pen"]) find(id).addEventListener("change", take);
  section.addEventListener("toggle", take);

  function changed(text) {
    planes.drawAddUndoBitmap();
    planes.refreshDrawing(true);
    say(text);
  }

  // Gives the connected part of a segment another value; returns its number of voxels
  function flood(start, to) {
    const drawn = planes.drawBitmap, from = drawn[start], waiting = [start];
    const [, nx, ny] = planes.volumes[0].dimsRAS, layer = nx * ny;
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
    return count;
  }

  function indexOf([x, y, z]) {
    const [, nx, ny] = planes.volumes[0].dimsRAS;
    return x + nx * (y + ny * z);
  }

  // The part of a segment that is connected with the crosshair
  find("relabel").addEventListener("click", () => {
    const start = indexOf(planes.frac2vox(planes.scene.crosshairPos)), from = planes.drawBitmap[start];
    if (!from || from === value()) {
      say("Put the crosshair on another segment first.");
      return;
    }
    changed(`${flood(start, value())} voxels changed.`);
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
    changed(`${count} voxels changed.`);
  });

  find("undo").addEventListener("click", () => {
    planes.drawUndo();
    splits.filter(split => !planes.drawBitmap.includes(split.value)).forEach(remove);
    say("");
  });

  // Splitting: a line in one plane, and the plane through it that is perpendicular to that one
  const splits = [], colours = JSON.parse(section.dataset.colours);
  // By what is seen: the axes of its columns and rows, and the one across
  const ACROSS = [[0, 1, 2], [0, 2, 1], [1, 2, 0]], PLANES = ["axial", "coronal", "sagittal"];
  let line = {};

  function isSplitting() {
    return section.open && find("tool").value === "split";
  }

  function forget() {
    line = {};
    draw();
  }

  // In voxels with fractions
  function voxelOf(frac) {
    return [0, 1, 2].map(n => frac[n] * planes.volumes[0].dimsRAS[n + 1] - 0.5);
  }

  function draw() {
    const shown = line.from && line.to && line.from.canvas && line.to.canvas;
    find("line").classList.toggle("hidden", !shown);
    if (shown) {
      const ends = [...line.from.canvas, ...line.to.canvas];
      ["x1", "y1", "x2", "y2"].forEach((name, n) => find("line").setAttribute(name, ends[n]));
    }
    find("cut").disabled = !(line.from && line.to);
  }

  // The middle of the longest stretch of the segment under the line, -1 if there is none
  function startOf(from, to, of) {
    const steps = Math.ceil(2 * Math.max(...from.map((each, n) => Math.abs(to[n] - each)))) + 1;
    let best = [], run = [];
    for (let n = 0; n <= steps; n++) {
      const at = indexOf(from.map((each, axis) => Math.round(each + (to[axis] - each) * n / steps)));
      run = planes.drawBitmap[at] === of ? [...run, at] : [];
      if (run.length > best.length) best = run;
    }
    return best.length ? best[best.length >> 1] : -1;
  }

  // The larger side keeps the value
  function cut() {
    const { plane, from, to } = { plane: line.plane, from: line.from.voxel, to: line.to.voxel };
    const of = value(), start = startOf(from, to, of), fresh = freeValue(), [u, v] = ACROSS[plane];
    forget();
    if (start < 0 || !fresh) {
      say(fresh ? "The line does not cross the chosen segment." : "There are too many segments.");
      return;
    }
    const drawn = planes.drawBitmap, [, nx, ny] = planes.volumes[0].dimsRAS;
    const parts = [[], []];
    flood(start, fresh);
    for (let at = drawn.indexOf(fresh); at >= 0; at = drawn.indexOf(fresh, at + 1)) {
      const voxel = [at % nx, Math.floor(at / nx) % ny, Math.floor(at / nx / ny)];
      const side = (voxel[u] - from[u]) * (to[v] - from[v]) - (voxel[v] - from[v]) * (to[u] - from[u]);
      parts[side > 0 ? 1 : 0].push(at);
    }
    parts.sort((one, other) => other.length - one.length);
    for (const at of parts[0]) drawn[at] = of;
    if (!parts[1].length) {
      say("The line leaves the segment whole.");
      return;
    }
    changed(`${parts[1].length} of ${parts[0].length + parts[1].length} voxels are ${add(fresh, of)} now.`);
    view.paint();
  }

  function freeValue() {
    const used = new Set(rows.map(row => row.value));
    for (let next = Math.max(...used) + 1; next < 256; next++) if (!used.has(next)) return next;
    return 0;
  }

  // A new segment, which the node describes when it is filed; returns its name
  function add(fresh, of) {
    const parent = rows.find(row => row.value === of), rgb = colours[splits.length % colours.length];
    const own = rows.filter(row => row.bone === parent.bone).map(row => Number(/fragment (\d+)/.exec(row.name)?.[1] || 1));
    const name = `${parent.name.replace(/,? fragment \d+.*$/, "")} fragment ${Math.max(...own) + 1}`;
    rows.push({ ...parent, value: fresh, rgb, name });
    for (const id of ["segment", "merged"]) find(id).append(new Option(name, fresh));
    splits.push({ value: fresh, of });
    return name;
  }

  function remove(split) {
    splits.splice(splits.indexOf(split), 1);
    rows.splice(rows.findIndex(row => row.value === split.value), 1);
    for (const option of section.querySelectorAll(`option[value="${split.value}"]`)) {
      if (option.parentElement.id !== "plane") option.remove();
    }
    take();
  }

  // By hand: drawn with a mouse, a pen or a finger
  const panel = find("planes").parentElement;
  function place(event) {
    const box = find("planes").getBoundingClientRect(), dpr = planes.uiData.dpr;
    const canvas = [event.clientX - box.left, event.clientY - box.top];
    const tile = planes.tileIndex(canvas[0] * dpr, canvas[1] * dpr);
    const plane = tile < 0 ? -1 : planes.screenSlices[tile].axCorSag;
    return { plane, canvas, voxel: voxelOf(planes.canvasPos2frac(canvas.map(each => each * dpr))) };
  }

  const HANDS = {
    pointerdown(event) {
      const at = place(event);
      if (at.plane < 0 || at.plane > 2) return;
      panel.setPointerCapture(event.pointerId);
      line = { plane: at.plane, from: at, hand: true };
    },
    pointermove(event) {
      const at = place(event);
      if (!line.hand || at.plane !== line.plane) return;
      line.to = at;
      draw();
    },
    pointerup() {
      if (line.hand && line.to) cut();
      else forget();
    },
  };
  // Before NiiVue, which would move the crosshair
  for (const kind of ["pointerdown", "pointermove", "pointerup", "mousedown", "mousemove", "mouseup", "touchstart", "touchmove", "touchend"]) {
    panel.addEventListener(kind, event => {
      if (!isSplitting()) return;
      event.stopPropagation();
      event.preventDefault();
      HANDS[kind]?.(event);
    }, { capture: true, passive: false });
  }

  // By keyboard: from one place of the crosshair to another
  for (const [id, end, word] of [["line-begins", "from", "begins"], ["line-ends", "to", "ends"]]) {
    find(id).addEventListener("click", () => {
      const plane = Number(find("plane").value);
      line = { ...(line.plane === plane && !line.hand ? line : {}), plane };
      line[end] = { voxel: voxelOf(planes.scene.crosshairPos) };
      const [column, row] = ACROSS[plane].map(axis => Math.round(line[end].voxel[axis]) + 1);
      say(`The line ${word} at column ${column}, row ${row} of the ${PLANES[plane]} plane.`);
      draw();
    });
  }
  find("plane").addEventListener("change", forget);
  find("cut").addEventListener("click", cut);

  find("save").addEventListener("click", async event => {
    event.target.disabled = true;
    say("Sending…");
    const packed = new Blob([planes.drawBitmap]).stream().pipeThrough(new CompressionStream("gzip"));
    const form = new FormData();
    form.append("csrf", section.dataset.csrf);
    form.append("splits", JSON.stringify(splits.map(split => [split.value, split.of])));
    if (find("replace")?.checked) form.append("replace", "yes");
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
