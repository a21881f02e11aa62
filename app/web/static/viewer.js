// The CT with its segments: three planes by NiiVue's slices, and surfaces by a second NiiVue.
"use strict";
(async () => {
  const root = document.getElementById("viewer");
  const address = root.dataset.address;
  const find = id => document.getElementById(id);

  // Asked for before the graphics are ready; a failure is said when it is waited for
  const first = bytes("first.nii");
  first.catch(() => {});
  // On the screen before the graphics are made ready, during which the browser draws nothing
  const still = find("still");
  await still.decode().then(() => { root.dataset.state = "still"; }, () => still.remove());
  // A frame is presented while the next ones are prepared
  for (let frame = 0; frame < 3 && !document.hidden; frame++) await new Promise(requestAnimationFrame);
  await new Promise((done, failed) => {
    document.head.append(Object.assign(document.createElement("script"), {
      src: "/static/niivue.umd.js", onload: done, onerror: failed,
    }));
  });

  const rows = [...root.querySelectorAll("tr[data-value]")].map(row => ({
    value: Number(row.dataset.value),
    name: row.querySelector("th").textContent,
    bone: row.dataset.bone,
    rgb: row.dataset.rgb.split(",").map(Number),
    grade: row.dataset.grade,
    probability: row.dataset.probability === undefined ? 1 : Number(row.dataset.probability),
    box: row.querySelector("input"),
  }));
  // By grade, also told apart by those who cannot tell red from green: blue, yellow, red
  const GRADES = { good: [64, 160, 255], warn: [255, 210, 60], bad: [230, 60, 60], "": [180, 180, 180] };
  const OPTIONS = {
    logLevel: "error", loadingText: "", dragAndDropEnabled: false, isOrientCube: false, backColor: [0, 0, 0, 1],
    fontColor: [0.9, 0.9, 0.9, 1], crosshairColor: [0.3, 0.7, 1, 0.9], isRadiologicalConvention: true,
    multiplanarShowRender: niivue.SHOW_RENDER.NEVER, sliceType: niivue.SLICE_TYPE.MULTIPLANAR,
    isResizeCanvas: true, show3Dcrosshair: false, crosshairWidth: 0.4, crosshairWidthUnit: "percent",
  };

  function say(text) {
    find("state").textContent = text;
  }

  // Its own font and texture are addresses with data in them, which the page's policy forbids
  async function attached(canvas, options) {
    const made = new niivue.Niivue({ ...OPTIONS, ...options });
    made.DEFAULT_FONT_GLYPH_SHEET = "/static/niivue-font.png";
    made.loadDefaultMatCap = async () => null;
    await made.attachToCanvas(canvas);
    return made;
  }

  async function loaded(name) {
    const answer = await fetch(`${address}/${name}${root.dataset.query}`);
    if (answer.ok) return answer;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    throw new Error(page.querySelector("main p")?.textContent || "The images cannot be shown.");
  }

  async function bytes(name) {
    return (await loaded(name)).arrayBuffer();
  }

  async function volume(name, buffer) {
    return niivue.NVImage.loadFromUrl({ url: buffer, name, colormap: "gray" });
  }

  let planes, space;
  try {
    planes = await attached(find("planes"));
  } catch (error) {
    say("This browser cannot draw the images, except for these planes (WebGL 2 is missing).");
    return;
  }
  const view = { planes, window: null, meshes: [], complete: false, rows, address, say, loaded };

  // Shown instead of the present one, at the same place
  function show(image) {
    const [old] = planes.volumes;
    const at = old && planes.frac2mm(planes.scene.crosshairPos);
    [image.cal_min, image.cal_max] = view.window || [image.cal_min, image.cal_max];
    if (old) planes.closeDrawing();
    planes.volumes = [];
    planes.addVolume(image);
    if (at) go([...at].slice(0, 3));
    sliders();
  }

  function go(mm) {
    planes.scene.crosshairPos = planes.mm2frac(mm);
    planes.drawScene();
    planes.createOnLocationChange();
  }

  // Colour and opacity of every value; a segment that is less likely than asked for is not shown
  function paint() {
    const byGrade = find("colours").value === "probability";
    const least = Number(find("least").value) / 100;
    const lut = new Uint8ClampedArray(256 * 4);
    for (const row of rows) {
      const shown = row.box.checked && row.probability >= least;
      // Less likely segments are fainter
      lut.set([...(byGrade ? GRADES[row.grade] : row.rgb), shown ? 255 * (0.4 + 0.6 * row.probability) : 0], row.value * 4);
      const mesh = view.meshes.find(each => each.value === row.value);
      if (mesh) {
        mesh.nv.visible = shown;
        mesh.nv.rgba255 = new Uint8Array([...(byGrade ? GRADES[row.grade] : row.rgb), 255]);
        mesh.nv.updateMesh(space.gl);
      }
    }
    find("least-is").textContent = `${find("least").value} %`;
    planes.drawLut = { lut, labels: Array.from({ length: 256 }, (_, n) => String(n)) };
    planes.drawOpacity = Number(find("opacity").value) / 100;
    planes.refreshColormaps();
    planes.drawScene();
    if (space) space.drawScene();
  }
  view.paint = paint;

  // For those without a mouse
  const AXES = { axial: 2, coronal: 1, sagittal: 0 };
  function sliders() {
    for (const [name, axis] of Object.entries(AXES)) {
      find(`slice-${name}`).max = planes.volumes[0].dimsRAS[axis + 1] - 1;
    }
    follow();
  }

  function follow() {
    const voxel = planes.frac2vox(planes.scene.crosshairPos);
    for (const [name, axis] of Object.entries(AXES)) find(`slice-${name}`).value = voxel[axis];
  }

  planes.onLocationChange = where => {
    follow();
    const [x, y, z] = where.vox;
    const [, nx, ny] = planes.volumes[0].dimsRAS;
    const value = planes.drawBitmap ? planes.drawBitmap[x + nx * (y + ny * z)] : 0;
    const name = value && rows.find(row => row.value === value)?.name;
    const hu = where.values[0] ? `${Math.round(where.values[0].value)} HU` : "";
    find("location").textContent = `${hu}${name ? `, ${name}` : ""}`;
  };

  for (const [name, axis] of Object.entries(AXES)) {
    find(`slice-${name}`).addEventListener("input", event => {
      const at = [...planes.scene.crosshairPos];
      at[axis] = (Number(event.target.value) + 0.5) / planes.volumes[0].dimsRAS[axis + 1];
      go([...planes.frac2mm(at)].slice(0, 3));
    });
  }
  for (const button of root.querySelectorAll("[data-low]")) {
    button.addEventListener("click", () => {
      view.window = [Number(button.dataset.low), Number(button.dataset.high)];
      for (const each of root.querySelectorAll("[data-low]")) each.setAttribute("aria-pressed", each === button);
      if (!planes.volumes[0]) return;
      [planes.volumes[0].cal_min, planes.volumes[0].cal_max] = view.window;
      planes.updateGLVolume();
    });
  }
  for (const id of ["colours", "opacity", "least"]) find(id).addEventListener("input", paint);
  for (const row of rows) row.box.addEventListener("change", paint);

  function numbers(text, kind) {
    return new kind(Uint8Array.from(atob(text), letter => letter.charCodeAt(0)).buffer);
  }

  // Below 0 displaced fragments go back to their places; above, each goes away from where it is
  function pull() {
    const far = Number(find("apart").value) / 100, percent = Math.round(Math.abs(far) * 100);
    const text = far ? `${percent} % ${far < 0 ? "of the way back" : "apart"}` : "as measured";
    find("apart-is").textContent = text;
    find("apart").setAttribute("aria-valuetext", text);
    for (const mesh of view.meshes) {
      if (far < 0) putBack(mesh, -far);
      else for (let n = 0; n < mesh.at.length; n++) mesh.nv.pts[n] = mesh.at[n] + far * mesh.away[n % 3];
      mesh.nv.updateMesh(space.gl);
    }
    space.drawScene();
  }

  // A share of the turn and the shift that took a fragment from its place, undone (Rodrigues' formula)
  function putBack({ at, nv, movement }, share) {
    const { centre, shift, turn } = movement || { centre: [0, 0, 0], shift: [0, 0, 0], turn: [0, 0, 0] };
    const size = Math.hypot(...turn), [x, y, z] = turn.map(each => each / (size || 1));
    const angle = -share * size * Math.PI / 180, sine = Math.sin(angle), rest = 1 - Math.cos(angle);
    const rows = [
      [1 - rest * (y * y + z * z), rest * x * y - sine * z, rest * x * z + sine * y],
      [rest * x * y + sine * z, 1 - rest * (x * x + z * z), rest * y * z - sine * x],
      [rest * x * z - sine * y, rest * y * z + sine * x, 1 - rest * (x * x + y * y)],
    ];
    for (let n = 0; n < at.length; n += 3) {
      const from = centre.map((each, axis) => at[n + axis] - each);
      rows.forEach((row, axis) => {
        const turned = row.reduce((sum, each, m) => sum + each * from[m], 0);
        nv.pts[n + axis] = centre[axis] + turned - share * shift[axis];
      });
    }
  }

  // Along its displacement, as far as away from the middle of the bone; what they were displaced against stays
  function ways() {
    for (const mesh of view.meshes) {
      const own = view.meshes.filter(each => each.bone === mesh.bone);
      const whole = [0, 1, 2].map(n => own.reduce((sum, each) => sum + each.middle[n], 0) / own.length);
      const away = mesh.middle.map((each, n) => each - whole[n]);
      const { shift } = mesh.movement || {};
      const far = Math.hypot(...away) / Math.hypot(...(shift || [1]));
      const isMain = mesh === own[0] && own.some(each => each.movement);
      mesh.away = shift ? shift.map(each => each * far) : away.map(each => isMain ? 0 : each);
    }
    if (view.meshes.some(mesh => mesh.movement)) find("apart").min = -100;
  }

  function middle(points) {
    const sum = [0, 0, 0];
    for (let n = 0; n < points.length; n++) sum[n % 3] += points[n];
    return sum.map(each => each * 3 / points.length);
  }

  async function surfaces() {
    space = await attached(find("space"), { sliceType: niivue.SLICE_TYPE.RENDER, isRadiologicalConvention: false });
    for (const part of await (await loaded("surfaces.json")).json()) {
      const at = numbers(part.vertices, Float32Array);
      const nv = new niivue.NVMesh(
        at.slice(), numbers(part.faces, Uint32Array), "", new Uint8Array([...part.colour, 255]), 1, true, space.gl);
      const movement = view.movements[part.value];
      view.meshes.push({ value: part.value, bone: part.bone, at, nv, middle: middle(at), movement, away: [0, 0, 0] });
      space.addMesh(nv);
    }
    ways();
    space.setRenderAzimuthElevation(180, 0);
    find("apart").addEventListener("input", pull);
    paint();
  }

  async function places() {
    const found = await (await loaded("places.json")).json();
    view.complete = found.complete;
    view.movements = found.movements;
    for (const mark of found.marks) {
      for (const button of root.querySelectorAll("[data-mark]")) {
        if (String([...mark.values].sort()) !== String(button.dataset.mark.split(",").map(Number).sort())) continue;
        button.disabled = false;
        button.addEventListener("click", () => reveal(mark.mm));
      }
    }
    for (const key of found.keys) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = key.name;
      button.addEventListener("click", () => reveal(key.mm));
      find("key-buttons").append(button);
      find("keys").hidden = false;
    }
  }

  function reveal(mm) {
    go(mm);
    find("planes").scrollIntoView({ block: "nearest" });
  }

  try {
    show(await volume("first.nii", await first));
    still.remove();
    root.dataset.state = "first";
    say("A coarse picture; the whole CT is loading…");
    const [ct, labels] = await Promise.all([bytes("ct.nii"), bytes("labels.nii")]);
    show(await volume("ct.nii", ct));
    planes.loadDrawing(await volume("labels.nii", labels));
    paint();
    await places();
    say("");
    root.dataset.state = "whole";
    await surfaces();
    root.dataset.state = "ready";
    document.dispatchEvent(new CustomEvent("viewer", { detail: view }));
  } catch (error) {
    say(error.message);
    root.dataset.state = "failed";
  }
})();
