// The 3-D view of the report: surfaces in the patient's LPS mm, seen from a point that goes round them.
"use strict";
(() => {
  const TURN = 0.12;            // radians of an arrow key: 7 degrees
  const ZOOM = 1.15;            // of a key or a notch of the wheel
  const DRAG = 0.008;           // radians of a pixel
  const ANGLE = 30;             // of view, degrees
  const STEEPEST = Math.PI / 2 - 0.01;
  const APART = 0.8;            // of its way from the middle, a part is moved on when pulled fully apart
  // Where the viewer stands: round the patient from the front to his left, and above him, radians
  const SIDES = {
    Front: [0, 0], Left: [Math.PI / 2, 0], Back: [Math.PI, 0], Right: [-Math.PI / 2, 0],
    Above: [0, STEEPEST], Below: [0, -STEEPEST],
  };
  const canvas = document.getElementById("view");
  const parts = JSON.parse(document.getElementById("parts").textContent);

  function bytes(text) {
    return Uint8Array.from(atob(text), letter => letter.charCodeAt(0)).buffer;
  }

  function surface(part) {
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.BufferAttribute(new Float32Array(bytes(part.vertices)), 3));
    geometry.setIndex(new THREE.BufferAttribute(new Uint32Array(bytes(part.faces)), 1));
    geometry.computeVertexNormals();
    geometry.computeBoundingBox();
    const material = new THREE.MeshPhongMaterial({ color: part.colour, specular: 0x222222, shininess: 20 });
    return new THREE.Mesh(geometry, material);
  }

  let renderer;
  try {
    // Kept, so that the view is on paper too
    renderer = new THREE.WebGLRenderer({ canvas, antialias: true, preserveDrawingBuffer: true });
  } catch (error) {
    document.getElementById("no-view").hidden = false;
    canvas.hidden = true;
    return;
  }
  renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
  const scene = new THREE.Scene();
  scene.background = new THREE.Color("#10141a");
  const camera = new THREE.PerspectiveCamera(ANGLE, 1, 1, 10000);
  camera.up.set(0, 0, 1);
  const lamp = new THREE.DirectionalLight(0xffffff, 0.75);
  scene.add(camera, lamp, new THREE.HemisphereLight(0xffffff, 0x8899aa, 0.45));

  const meshes = parts.map(surface);
  const whole = new THREE.Box3();
  for (const mesh of meshes) { scene.add(mesh); whole.union(mesh.geometry.boundingBox); }
  const middle = whole.getCenter(new THREE.Vector3());
  const start = whole.getSize(new THREE.Vector3()).length() / 2 / Math.sin(ANGLE / 2 * Math.PI / 180);
  const eye = { round: 0, above: 0, away: start };
  let waiting = false;

  function draw() {
    waiting = false;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    renderer.setSize(width, height, false);
    camera.aspect = width / height;
    // A narrow picture is seen from farther away
    const away = eye.away / Math.min(camera.aspect, 1);
    const level = Math.cos(eye.above);
    camera.position.set(
      middle.x + away * level * Math.sin(eye.round), middle.y - away * level * Math.cos(eye.round),
      middle.z + away * Math.sin(eye.above));
    camera.lookAt(middle);
    camera.updateProjectionMatrix();
    lamp.position.copy(camera.position).addScaledVector(camera.up, away / 2);
    lamp.target.position.copy(middle);
    lamp.target.updateMatrixWorld();
    renderer.render(scene, camera);
  }

  function soon() {
    if (!waiting) { waiting = true; requestAnimationFrame(draw); }
  }

  function turn(round, above) {
    eye.round += round;
    eye.above = Math.max(-STEEPEST, Math.min(STEEPEST, eye.above + above));
    soon();
  }

  function zoom(factor) {
    eye.away = Math.max(start / 8, Math.min(start * 3, eye.away / factor));
    soon();
  }

  function look(round, above) {
    Object.assign(eye, { round, above });
    soon();
  }

  const keys = {
    ArrowLeft: () => turn(-TURN, 0), ArrowRight: () => turn(TURN, 0),
    ArrowUp: () => turn(0, TURN), ArrowDown: () => turn(0, -TURN),
    "+": () => zoom(ZOOM), "=": () => zoom(ZOOM), "-": () => zoom(1 / ZOOM),
    0: () => { eye.away = start; look(0, 0); },
  };
  canvas.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    keys[event.key]();
    event.preventDefault();
  });

  // One finger or the mouse turns, two fingers zoom
  const fingers = new Map();
  const between = () => {
    const [one, other] = [...fingers.values()];
    return Math.hypot(one.x - other.x, one.y - other.y);
  };
  canvas.addEventListener("pointerdown", event => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  canvas.addEventListener("pointermove", event => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    const apart = fingers.size > 1 ? between() : 0;
    fingers.set(event.pointerId, now);
    if (fingers.size > 1) zoom(between() / Math.max(apart, 1));
    else turn((before.x - now.x) * DRAG, (now.y - before.y) * DRAG);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, event => fingers.delete(event.pointerId));
  }
  canvas.addEventListener("wheel", event => {
    zoom(event.deltaY < 0 ? ZOOM : 1 / ZOOM);
    event.preventDefault();
  }, { passive: false });

  for (const button of document.querySelectorAll("[data-side]")) {
    button.addEventListener("click", () => look(...SIDES[button.dataset.side]));
  }
  for (const box of document.querySelectorAll("[data-part]")) {
    box.addEventListener("change", () => { meshes[box.dataset.part].visible = box.checked; soon(); });
  }
  document.getElementById("apart").addEventListener("input", event => {
    for (const mesh of meshes) {
      mesh.geometry.boundingBox.getCenter(mesh.position);
      mesh.position.sub(middle).multiplyScalar(APART * event.target.value / 100);
    }
    soon();
  });
  new ResizeObserver(soon).observe(canvas);
  draw();
})();
