// Shows one moment at a time: every camera with its boxes, and the world from above with the robot in the middle.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const scrub = document.getElementById("scrub"), time = document.getElementById("time");
const play = document.getElementById("play"), message = document.getElementById("message");
const cameras = [...new Set(data.moments.flatMap((moment) => Object.keys(moment.images)))].sort();
const panels = new Map(cameras.map((camera) => {
  const figure = document.createElement("figure");
  const canvas = figure.appendChild(document.createElement("canvas"));
  figure.appendChild(document.createElement("figcaption")).textContent = camera;
  document.getElementById("images").appendChild(figure);
  return [camera, canvas];
}));
let shown = -1;

function drawImage(canvas, image, number) {
  const picture = new Image();
  picture.onload = () => {
    if (number !== shown) return;  // the scrubber has moved on
    canvas.width = image.w;
    canvas.height = image.h;
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    context.font = "11px system-ui, sans-serif";
    context.lineWidth = 1.5;
    for (const [label, id, colour, x, y, halfX, halfY] of image.boxes) {
      context.strokeStyle = context.fillStyle = colour;
      context.strokeRect(x - halfX, y - halfY, 2 * halfX, 2 * halfY);
      if (halfX + halfY < 14) continue;  // no room for a name
      context.fillText(`${label} ${id}`, x - halfX, Math.max(10, y - halfY - 2));
    }
    canvas.dataset.shown = number;
  };
  picture.src = image.src;
}

function drawAbove(moment) {
  const canvas = document.getElementById("top"), context = canvas.getContext("2d");
  const scale = canvas.width / (2 * data.reach);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.setTransform(0, -scale, -scale, 0, canvas.width / 2, canvas.height / 2);  // x of the robot up, y left
  context.lineWidth = 1.5 / scale;
  context.strokeStyle = "#2d3743";
  for (let ring = 10; ring <= data.reach; ring += 10) {
    context.beginPath();
    context.arc(0, 0, ring, 0, 2 * Math.PI);
    context.stroke();
  }
  if (moment.pose) drawPath(context, moment.pose);
  context.fillStyle = "#97a4b3";
  const size = 1.6 / scale;
  for (let i = 0; i < moment.points.length; i += 2) {
    context.fillRect(moment.points[i] / 100, moment.points[i + 1] / 100, size, size);
  }
  for (const [, , colour, x, y, length, width, yaw] of moment.boxes) {
    context.save();
    context.translate(x, y);
    context.rotate(yaw);
    context.strokeStyle = colour;
    context.strokeRect(-length / 2, -width / 2, length, width);
    context.restore();
  }
  context.fillStyle = "#5aa9f7";
  context.beginPath();
  context.moveTo(2.2, 0); context.lineTo(-1.2, 1.1); context.lineTo(-1.2, -1.1);
  context.fill();
  canvas.dataset.points = moment.points.length / 2;
}

function drawPath(context, [x0, y0, yaw]) {
  const c = Math.cos(yaw), s = Math.sin(yaw);
  context.strokeStyle = "#2a8f4f";
  context.beginPath();
  for (const [x, y] of data.path) context.lineTo(c * (x - x0) + s * (y - y0), -s * (x - x0) + c * (y - y0));
  context.stroke();
}

function show(number) {
  if (number === shown) return;
  shown = number;
  const moment = data.moments[number];
  scrub.value = number;
  time.textContent = `${moment.t.toFixed(2)} s`;
  for (const [camera, canvas] of panels) if (moment.images[camera]) drawImage(canvas, moment.images[camera], number);
  drawAbove(moment);
  document.body.dataset.moment = number;
}

let timer = null;
function toggle() {
  if (timer !== null) {
    clearInterval(timer);
    timer = null;
  } else {
    timer = setInterval(() => show((shown + 1) % data.moments.length), 200);
  }
  play.textContent = timer === null ? "▶" : "⏸";
}

if (data.moments.length === 0) {
  message.textContent = "The recording holds nothing that can be shown.";
  scrub.disabled = play.disabled = true;
} else {
  scrub.max = data.moments.length - 1;
  scrub.addEventListener("input", () => show(Number(scrub.value)));
  play.addEventListener("click", toggle);
  document.addEventListener("keydown", (event) => {
    if (event.target !== scrub && event.key === "ArrowRight") show(Math.min(shown + 1, data.moments.length - 1));
    if (event.target !== scrub && event.key === "ArrowLeft") show(Math.max(shown - 1, 0));
    if (event.key === " " && event.target !== play) { event.preventDefault(); toggle(); }
  });
  show(0);
}
