// The drawing pad. A drawing is kept as strokes and rendered for the model: centred, with
// the size and line width of the glyphs in the demo's training images. An image that was
// chosen or dropped is sent unchanged.

import { byId } from "./dom.js";

const paper = "#ffffff", ink = "#191827";
const padLine = 0.055; // of the pad's side
const maxSide = 1024; // pixels of an image that many variants are asked about
// The demo's models answer best when a glyph, including its line, spans six tenths of the
// image. Dark on light and light on dark are the same to them.
const glyphSpan = 0.54, glyphLine = 0.068;

// makePad runs the pad. onChange is called when there is a new image.
export function makePad(onChange) {
  const canvas = byId("pad"), seen = byId("seen"), undo = byId("undo"), clear = byId("clear");
  const context = canvas.getContext("2d");
  let strokes = []; // lists of [x, y] in 0…1
  let stroke = null; // the one being drawn
  let image = null; // { blob, bitmap }
  let input = { width: 32, height: 32 };

  const isEmpty = () => !strokes.length && !image;

  function draw() {
    const side = canvas.width;
    context.fillStyle = paper;
    context.fillRect(0, 0, side, side);
    if (image) contain(context, image.bitmap, side, side);
    else drawStrokes(context, strokes, side * padLine, ([x, y]) => [x * side, y * side]);
    byId("hint").hidden = !isEmpty();
    undo.disabled = !strokes.length && !image;
    clear.disabled = isEmpty();
    preview();
  }

  // preview shows the image that is sent, in the size that the model reads.
  function preview() {
    seen.width = input.width;
    seen.height = input.height;
    const small = seen.getContext("2d");
    small.imageSmoothingQuality = "high";
    if (image) small.drawImage(image.bitmap, 0, 0, seen.width, seen.height);
    else small.drawImage(render(strokes, 8 * seen.width, 8 * seen.height), 0, 0, seen.width, seen.height);
  }

  const at = (e) => {
    const box = canvas.getBoundingClientRect();
    return [(e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height];
  };

  canvas.addEventListener("pointerdown", (e) => {
    if (e.button !== 0) return;
    e.preventDefault();
    canvas.setPointerCapture(e.pointerId);
    image = null;
    stroke = [at(e)];
    strokes.push(stroke);
    draw();
  });
  canvas.addEventListener("pointermove", (e) => {
    if (!stroke) return;
    const events = e.getCoalescedEvents?.() ?? [];
    stroke.push(...(events.length ? events : [e]).map(at));
    draw();
  });
  const end = () => {
    if (!stroke) return;
    stroke = null;
    onChange();
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);

  function set(newStrokes, newImage) {
    strokes = newStrokes;
    image = newImage;
    draw();
    onChange();
  }
  undo.addEventListener("click", () => set(image ? strokes : strokes.slice(0, -1), null));
  clear.addEventListener("click", () => set([], null));
  draw();

  return {
    isEmpty,
    // show replaces the drawing with an image. It throws if the image can't be read.
    async show(blob) {
      set([], { blob, bitmap: await createImageBitmap(blob) });
    },
    // setInput sets the size of image that the chosen variant reads.
    setInput(size) {
      input = size;
      preview();
    },
    // blob returns the image to send.
    blob() {
      if (image) return Promise.resolve(image.blob);
      const scale = Math.max(1, Math.min(8, 512 / Math.max(input.width, input.height)));
      const canvas = render(strokes, Math.round(scale * input.width), Math.round(scale * input.height));
      return encoded(canvas, "image/png");
    },
    // blobForMany returns the image to send to many variants: { blob, note }. A large one
    // is made smaller, and the note says so.
    async blobForMany() {
      const scale = image ? maxSide / Math.max(image.bitmap.width, image.bitmap.height) : 1;
      if (scale >= 1) return { blob: await this.blob(), note: "" };
      const canvas = document.createElement("canvas");
      canvas.width = Math.max(1, Math.round(scale * image.bitmap.width));
      canvas.height = Math.max(1, Math.round(scale * image.bitmap.height));
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(image.bitmap, 0, 0, canvas.width, canvas.height);
      return { blob: await encoded(canvas, image.blob.type), note: `The image is scaled down to ${canvas.width} × ${canvas.height} pixels.` };
    },
  };
}

const encoded = (canvas, type) => new Promise((resolve) => canvas.toBlob(resolve, type, 0.95));

// render returns a canvas of this size with the strokes in its middle.
function render(strokes, width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  context.fillStyle = paper;
  context.fillRect(0, 0, width, height);
  const points = strokes.flat();
  if (!points.length) return canvas;
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const side = Math.min(width, height);
  // A dot stays a dot: small drawings are enlarged at most twice.
  const scale = Math.min(glyphSpan / Math.max(right - left, bottom - top, 1e-6), 2) * side;
  const map = ([x, y]) => [width / 2 + (x - (left + right) / 2) * scale, height / 2 + (y - (top + bottom) / 2) * scale];
  drawStrokes(context, strokes, glyphLine * side, map);
  return canvas;
}

function drawStrokes(context, strokes, width, map) {
  context.strokeStyle = ink;
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    const points = stroke.map(map);
    context.beginPath();
    context.moveTo(...points[0]);
    // The curve passes through the middles of the segments, so that it has no corners.
    for (let i = 1; i < points.length - 1; i++) {
      const [x, y] = points[i], [nx, ny] = points[i + 1];
      context.quadraticCurveTo(x, y, (x + nx) / 2, (y + ny) / 2);
    }
    context.lineTo(...points.at(-1));
    context.stroke();
  }
}

// contain draws an image as large as fits.
function contain(context, bitmap, width, height) {
  const scale = Math.min(width / bitmap.width, height / bitmap.height);
  const w = bitmap.width * scale, h = bitmap.height * scale;
  context.imageSmoothingEnabled = scale < 4; // small images show their pixels
  context.drawImage(bitmap, (width - w) / 2, (height - h) / 2, w, h);
}
