// An encoder output among the codes: whose cell it lies in, what each loss costs, and who moves.
(() => {
  "use strict";
  const live = window.vaeNotesLive;
  const EDGE = 2;
  const STEP = 0.05;
  const RATE = 0.1; // of one step downhill

  // ---------------------------------------------------------------- numbers

  const squared = (a, b) => (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2;

  /** Index of the nearest code; of several at the same distance the first. */
  const nearest = (z, codes) => codes.reduce((best, code, i) => (squared(z, code) < squared(z, codes[best]) ? i : best), 0);

  /** The three losses, for a decoder that wants its input at `target`: |z_q - target|^2 stands for -log p(x|z_q). */
  const losses = (z, codes, target, beta) => {
    const index = nearest(z, codes);
    const distance = squared(z, codes[index]);
    return { index, reconstruction: squared(codes[index], target), codebook: distance, commitment: beta * distance };
  };

  /** The gradient of each loss at whom it reaches: the encoder's output or the chosen code. */
  const gradients = (z, codes, target, beta) => {
    const code = codes[nearest(z, codes)];
    const twice = (a, b, factor = 1) => [0, 1].map((i) => 2 * factor * (a[i] - b[i]));
    return { reconstruction: twice(code, target), commitment: twice(z, code, beta), codebook: twice(code, z) };
  };

  /** The encoder's output and the codes after one step downhill: only the chosen code moves. */
  const step = (z, codes, target, beta) => {
    const index = nearest(z, codes);
    const { reconstruction, commitment, codebook } = gradients(z, codes, target, beta);
    const down = (point, ...slopes) =>
      point.map((value, i) => live.clamp(value - RATE * slopes.reduce((sum, slope) => sum + slope[i], 0), -EDGE, EDGE));
    return { z: down(z, reconstruction, commitment), codes: codes.map((code, i) => (i === index ? down(code, codebook) : code)) };
  };

  /** The corners of a code's cell within the square: cut by the line halfway to each other code. */
  const cell = (index, codes) => {
    let corners = [[-EDGE, -EDGE], [EDGE, -EDGE], [EDGE, EDGE], [-EDGE, EDGE]];
    const own = codes[index];
    for (const other of codes) {
      if (other === own || squared(other, own) === 0) {
        continue;
      }
      const side = (point) => squared(point, other) - squared(point, own); // positive on the own side
      const kept = [];
      corners.forEach((corner, i) => {
        const after = corners[(i + 1) % corners.length];
        const [here, there] = [side(corner), side(after)];
        if (here >= 0) {
          kept.push(corner);
        }
        if (here * there < 0) {
          const share = here / (here - there); // `side` is linear along an edge
          kept.push([0, 1].map((k) => corner[k] + share * (after[k] - corner[k])));
        }
      });
      corners = kept;
    }
    return corners;
  };

  const sentence = (state) => {
    const { index, reconstruction, codebook, commitment } = losses(state.z, state.codes, state.target, state.beta);
    const [first, second, third] = [reconstruction, codebook, commitment].map((value) => live.format(value, 3));
    return `Code ${index + 1} is nearest: reconstruction ${first}, codebook ${second}, commitment ${third}.`;
  };

  // ---------------------------------------------------------------- drawing

  /** An arrow in a plot, hidden when it is too short to see. */
  const arrow = (plot, classes) => {
    const line = plot.mark("path", `vl-curve ${classes}`);
    return ([x, y], [dx, dy]) => {
      const [from, to] = [[plot.px(x), plot.py(y)], [plot.px(x + dx), plot.py(y + dy)]];
      const [u, v] = [to[0] - from[0], to[1] - from[1]];
      const length = Math.hypot(u, v);
      if (length < 3) {
        line.setAttribute("d", "");
        return;
      }
      const [a, b] = [(9 * u) / length, (9 * v) / length];
      const wing = (way) => `M${to}L${to[0] - a - (way * b) / 2} ${to[1] - b + (way * a) / 2}`;
      line.setAttribute("d", `M${from}L${to}${wing(1)}${wing(-1)}`);
    };
  };

  const draw = (figure) => {
    const range = [-EDGE, EDGE];
    figure.title("A vector among the codes: whose cell, what cost, who moves", "Drag the circle, the encoder's output, over the codes. The square says where the decoder wants its input. Arrows show who is pulled; then take steps.");
    const [left, right] = figure.row("vl-wide-left", 2);
    const plane = figure.plot(left, { label: "Encoder output and codes", x: range, y: range, xLabel: "first dimension", yLabel: "second dimension", ratio: 0.95, xTicks: 5 });
    const cells = figure.state.codes.map(() => plane.mark("path", "vl-cell"));
    const names = figure.state.codes.map(() => plane.text(""));
    const dots = figure.state.codes.map(() => plane.mark("circle", "vl-dot vl-ink", { r: 5 }));
    const gap = plane.line("vl-middle vl-dotted vl-thin");
    const arrows = { reconstruction: arrow(plane, "vl-vermillion"), commitment: arrow(plane, "vl-green vl-dotted"), codebook: arrow(plane, "vl-blue vl-dashed") };
    const mover = (key, label, shape, classes) =>
      plane.handle({
        label,
        classes,
        shape,
        at: () => figure.state[key],
        move: (x, y) => figure.set({ [key]: [x, y].map((value) => live.snap(value, -EDGE, EDGE, STEP)) }),
        step: [STEP, STEP],
        value: () => {
          const [x, y] = figure.state[key];
          return { now: x, min: -EDGE, max: EDGE, text: `${live.format(x)}, ${live.format(y)}` };
        },
      });
    mover("z", "Output of the encoder", "circle", "vl-purple");
    mover("target", "Where the decoder wants its input", "square", "vl-vermillion");
    figure.legend(left, [["vl-vermillion", "reconstruction, copied to the encoder"], ["vl-green vl-dotted", "commitment, to the encoder"], ["vl-blue vl-dashed", "codebook, to the code"]]);
    const rows = {
      reconstruction: ["reconstruction", "moves the encoder"],
      codebook: ["codebook", "moves the chosen code"],
      commitment: ["β · commitment", "moves the encoder"],
      sum: ["sum", "the loss", "vl-sum"],
    };
    const show = figure.values(right, rows, "Losses");
    const where = live.html("p", { class: "vl-small" });
    right.append(where);
    figure.slider(right, { key: "beta", label: "β", min: 0, max: 2, step: 0.05 });
    figure.says(sentence);
    const foot = figure.foot();
    const take = () => {
      const { z, codes, target, beta } = figure.state;
      figure.set(step(z, codes, target, beta));
    };
    figure.button(foot, "One step downhill", take);
    figure.button(foot, "Thirty steps", () => {
      let taken = 0;
      figure.animate(3000, (share) => {
        for (; taken < Math.round(30 * share); taken++) {
          take();
        }
      });
    });
    figure.onDraw(({ z, codes, target, beta }) => {
      const found = losses(z, codes, target, beta);
      const code = codes[found.index];
      codes.forEach((one, i) => {
        const corners = cell(i, codes).map(([x, y]) => `${plane.px(x).toFixed(1)} ${plane.py(y).toFixed(1)}`);
        cells[i].setAttribute("d", `M${corners.join("L")}Z`);
        cells[i].setAttribute("class", i === found.index ? "vl-cell vl-own" : "vl-cell");
        dots[i].setAttribute("cx", plane.px(one[0]));
        dots[i].setAttribute("cy", plane.py(one[1]));
        names[i].set(one[0] + 0.12, one[1] + 0.1, String(i + 1));
      });
      gap.set(...z, ...code);
      const slopes = gradients(z, codes, target, beta);
      const downhill = (slope) => slope.map((value) => -0.25 * value);
      arrows.reconstruction(z, downhill(slopes.reconstruction));
      arrows.commitment(z, downhill(slopes.commitment));
      arrows.codebook(code, downhill(slopes.codebook));
      const sum = found.reconstruction + found.codebook + found.commitment;
      const values = { ...found, sum };
      show(Object.fromEntries(Object.keys(rows).map((key) => [key, live.format(values[key], 3)])));
      where.textContent = `Encoder at (${live.format(z[0])}, ${live.format(z[1])}), code ${found.index + 1} at (${live.format(code[0])}, ${live.format(code[1])}). The other codes receive nothing.`;
    });
  };

  live.define("vector_quantization", { numbers: { nearest, losses, gradients, step, cell, sentence }, draw });
})();
