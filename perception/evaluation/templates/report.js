// A readout under the pointer: the points of the nearest place of each curve, in the units of the axes.
"use strict";
for (const svg of document.querySelectorAll("svg[data-limits]")) {
  const [xMin, xMax, yMin, yMax] = svg.dataset.limits.split(" ").map(Number);
  const [left, right, top, bottom] = svg.dataset.margins.split(" ").map(Number);
  const {width, height} = svg.viewBox.baseVal;
  const toX = (u) => xMin + (u - left) / (width - left - right) * (xMax - xMin);
  const toY = (v) => yMin + (height - bottom - v) / (height - top - bottom) * (yMax - yMin);
  const lines = [...svg.querySelectorAll("polyline")].map((line) => ({
    name: line.dataset.name, colour: line.classList[1],
    points: line.getAttribute("points").split(" ").map((pair) => pair.split(",").map(Number)),
    seconds: line.dataset.t ? line.dataset.t.split(" ") : null,
  }));
  const layer = svg.appendChild(document.createElementNS(svg.namespaceURI, "g"));
  const element = (name, attributes, text = "") => {
    const made = layer.appendChild(document.createElementNS(svg.namespaceURI, name));
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    made.textContent = text;
  };
  const cost = ([x, y], at) => svg.dataset.pick === "xy" ? Math.hypot(x - at.x, y - at.y) : Math.abs(x - at.x);
  const show = (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const best = new Map();
    for (const line of lines) {
      line.points.forEach((point, i) => {
        const found = cost(point, at);
        if (!best.has(line.name) || found < best.get(line.name).found) best.set(line.name, {found, point, line, i});
      });
    }
    layer.replaceChildren();
    const words = [];
    for (const {point: [x, y], line, i} of best.values()) {
      element("circle", {cx: x, cy: y, r: 3, class: line.colour});
      const value = svg.dataset.pick === "xy"
        ? `${toX(x).toPrecision(4)}, ${toY(y).toPrecision(4)}${line.seconds ? ` at ${line.seconds[i]} s` : ""}`
        : `${toX(x).toPrecision(5)}: ${toY(y).toPrecision(4)}`;
      words.push(line.name ? `${line.name} ${value}` : value);
    }
    element("text", {class: "readout", x: left + 6, y: height - bottom - 6}, words.join("   "));
  };
  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerdown", show);
  svg.addEventListener("pointerleave", () => layer.replaceChildren());
}
