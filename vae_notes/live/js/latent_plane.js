// The latent plane of a trained VAE: two points to drag, and the decoder, with its own weights, draws what lies between.
(() => {
  "use strict";
  const live = window.vaeNotesLive;
  const EDGE = 3.2;
  const STEP = 0.1;
  const FRAMES = 9;

  // ---------------------------------------------------------------- numbers

  /** 32-bit numbers from base64. */
  const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);

  /** The layers as the data hold them, with their numbers read. */
  const read = (layers) =>
    layers.map(({ inputs, outputs, weight, bias }) => ({ inputs, outputs, weight: floats(weight), bias: floats(bias) }));

  /** What the decoder gives for a point: linear layers with a ReLU between, and perhaps a sigmoid at the end. */
  const decode = (layers, squash, z) => {
    let values = z;
    layers.forEach(({ inputs, outputs, weight, bias }, number) => {
      const next = new Float64Array(outputs);
      for (let row = 0; row < outputs; row++) {
        let sum = bias[row];
        for (let i = 0; i < inputs; i++) {
          sum += weight[row * inputs + i] * values[i];
        }
        next[row] = number < layers.length - 1 ? Math.max(0, sum) : sum;
      }
      values = next;
    });
    return Array.from(values, squash === "sigmoid" ? (value) => 1 / (1 + Math.exp(-value)) : (value) => value);
  };

  const sinc = (angle) => (Math.abs(angle) < 1e-8 ? 1 : Math.sin(angle) / angle);

  /** The point at share t of the way from a to b, on the straight line or on the arc. */
  const along = (path, a, b, t) => {
    const straight = [0, 1].map((i) => a[i] + t * (b[i] - a[i]));
    if (path === "straight") {
      return straight;
    }
    const [na, nb] = [Math.hypot(...a), Math.hypot(...b)];
    const [ua, ub] = [a.map((one) => one * nb), b.map((one) => one * na)];
    const angle = 2 * Math.atan2(Math.hypot(ua[0] - ub[0], ua[1] - ub[1]), Math.hypot(ua[0] + ub[0], ua[1] + ub[1]));
    if (na * nb === 0 || Math.PI - angle < 1e-3) {
      return straight; // no direction, or no shortest arc
    }
    const [from, to] = [1 - t, t].map((share) => (share * sinc(share * angle)) / sinc(angle));
    return [0, 1].map((i) => from * a[i] + to * b[i]);
  };

  /** The label of the nearest code. */
  const nearest = (codes, labels, z) => {
    let [best, label] = [Infinity, ""];
    codes.forEach((code, i) => {
      const distance = (code[0] - z[0]) ** 2 + (code[1] - z[1]) ** 2;
      if (distance < best) {
        [best, label] = [distance, labels[i]];
      }
    });
    return label;
  };

  const ends = (state) => [
    [state.a1, state.a2],
    [state.b1, state.b2],
  ];
  const at = (state) => along(state.path, ...ends(state), state.share);

  const sentence = (state, codes, labels) => {
    const z = at(state);
    const where = `(${live.format(z[0])}, ${live.format(z[1])})`;
    return `At share ${live.format(state.share)} of the way z = ${where}; the nearest held-out code is a ${nearest(codes, labels, z)}.`;
  };

  // ---------------------------------------------------------------- drawing

  /** A picture of so many pixels; gives what draws grey values from 0 to 1 into it. */
  const picture = (parent, [height, width], label) => {
    const canvas = live.html("canvas", { width, height, role: "img", "aria-label": label, class: "vl-picture" });
    parent.append(canvas);
    const pen = canvas.getContext("2d");
    const image = pen.createImageData(width, height);
    return (values) => {
      values.forEach((value, i) => {
        image.data.fill(Math.round(255 * live.clamp(value, 0, 1)), 4 * i, 4 * i + 3);
        image.data[4 * i + 3] = 255;
      });
      pen.putImageData(image, 0, 0);
    };
  };

  const draw = (figure) => {
    const { codes, labels, shape, squash } = figure.data;
    let layers = null;
    const range = [-EDGE, EDGE];
    figure.title("The latent plane, decoded in this page", "Drag the two marks. The small numbers are held-out images, each at the mean of its code; the model never saw these labels.");
    const [left, right] = figure.row("vl-wide-left", 2);
    const plane = figure.plot(left, { label: "The latent plane", x: range, y: range, xLabel: "z₁", yLabel: "z₂", ratio: 0.92, yTicks: 6 });
    const points = codes.map((code, i) => {
      const text = plane.mark("text", `vl-digit vl-kind-${labels[i] % 5}`, { "text-anchor": "middle" });
      text.textContent = labels[i];
      return [text, code];
    });
    const line = plane.curve("vl-ink vl-dashed");
    const walker = plane.mark("circle", "vl-dot vl-vermillion", { r: 6 });
    for (const [name, shapeOf, classes] of [["a", "circle", "vl-blue"], ["b", "square", "vl-orange"]]) {
      const keys = [`${name}1`, `${name}2`];
      plane.handle({
        label: name === "a" ? "Start of the path" : "End of the path",
        classes,
        shape: shapeOf,
        at: () => keys.map((key) => figure.state[key]),
        move: (x, y) => figure.set({ [keys[0]]: live.snap(x, -EDGE, EDGE, STEP), [keys[1]]: live.snap(y, -EDGE, EDGE, STEP) }),
        step: [STEP, STEP],
        value: () => {
          const [x, y] = keys.map((key) => figure.state[key]);
          return { now: x, min: -EDGE, max: EDGE, text: `z1 ${live.format(x, 1)}, z2 ${live.format(y, 1)}` };
        },
      });
    }
    const big = live.html("div", { class: "vl-big" });
    right.append(big);
    const main = picture(big, shape, "What the decoder draws at the moving point");
    const strip = live.html("div", { class: "vl-strip" });
    const frames = Array.from({ length: FRAMES }, (_, i) => picture(strip, shape, `At ${i} eighths of the way`));
    right.append(live.html("p", { class: "vl-small" }, "The whole path, from start to end:"), strip);
    figure.slider(right, { key: "share", label: "share", min: 0, max: 1, step: 0.01 });
    figure.choice(right, { key: "path", label: "Path", choices: { straight: "straight line", spherical: "arc (slerp)" } });
    figure.says((state) => sentence(state, codes, labels));
    const foot = figure.foot();
    figure.button(foot, "Walk", () => figure.animate(3000, (share) => figure.set({ share: Number(share.toFixed(3)) })));
    const shares = live.linspace(0, 1, 61);
    let placed = 0;
    let drawn = "";
    figure.onDraw((state) => {
      if (placed !== plane.width) {
        placed = plane.width; // hundreds of digits: moved only when the plot has another size
        for (const [text, [x, y]] of points) {
          text.setAttribute("x", plane.px(x).toFixed(1));
          text.setAttribute("y", (plane.py(y) + 3.5).toFixed(1));
        }
      }
      const z = at(state);
      walker.setAttribute("cx", plane.px(z[0]));
      walker.setAttribute("cy", plane.py(z[1]));
      const track = shares.map((share) => along(state.path, ...ends(state), share));
      line.set(track.map(([x]) => x), track.map(([, y]) => y));
      if (!layers) {
        return;
      }
      main(decode(layers, squash, z));
      const which = String([state.path, ...ends(state)]);
      if (which !== drawn) {
        drawn = which;
        frames.forEach((frame, i) => frame(decode(layers, squash, along(state.path, ...ends(state), i / (FRAMES - 1)))));
      }
    });
    live.large(figure, (data) => (layers = read(data.layers)));
  };

  live.define("latent_plane", { numbers: { read, decode, along, nearest, sentence }, draw });
})();
