// Trained models along the curve of rate and distortion, with what each of them keeps of the same digits.
(() => {
  "use strict";
  const live = window.vaeNotesLive;
  const HEX = 16;
  const GREY = 255;
  const [NAME_WIDTH, NAME_HEIGHT] = [34, 13];

  // ---------------------------------------------------------------- numbers

  /** Grey values from 0 to 1 from two hexadecimal digits each. */
  const pixels = (text) => Array.from({ length: text.length / 2 }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), HEX) / GREY);

  /** The price that one model pays for a rate and a distortion, at a weight beta. */
  const objective = (beta, rate, distortion) => distortion + beta * rate;

  /** All that is shown of one model; `cheapest` is the model with the lowest objective at this beta. */
  const measured = (index, { betas, rates, distortions }) => {
    const beta = betas[index];
    const all = rates.map((rate, i) => objective(beta, rate, distortions[i]));
    const [rate, distortion] = [rates[index], distortions[index]];
    return { beta, rate, distortion, sum: rate + distortion, objective: all[index], cheapest: all.indexOf(Math.min(...all)) };
  };

  /** The model with the lowest rate + distortion, which is the highest ELBO. */
  const best = ({ rates, distortions }) => {
    const sums = rates.map((rate, i) => rate + distortions[i]);
    return sums.indexOf(Math.min(...sums));
  };

  /** Index of the model nearest to a point of the plane, each axis measured by its own length. */
  const nearest = (x, y, { rates, distortions }, [width, height]) => {
    const away = rates.map((rate, i) => ((rate - x) / width) ** 2 + ((distortions[i] - y) / height) ** 2);
    return away.indexOf(Math.min(...away));
  };

  const sentence = (state, data) => {
    const { beta, rate, distortion, sum } = measured(state.index, data);
    const [r, d, both] = [rate, distortion, sum].map((value) => live.format(value, 1));
    return `β = ${beta}: R = ${r}, D = ${d}, R + D = ${both} nats.`;
  };

  // ---------------------------------------------------------------- drawing

  /** A row of images with gaps of one pixel; gives what draws grey values into it. */
  const rowOfImages = (parent, count, [height, width], label) => {
    const wide = count * (width + 1) - 1;
    const canvas = live.html("canvas", { width: wide, height, role: "img", "aria-label": label, class: "vl-picture vl-pixels" });
    parent.append(canvas);
    const pen = canvas.getContext("2d");
    const image = pen.createImageData(wide, height);
    const set = (images) =>
      images.forEach((values, n) => {
        values.forEach((value, i) => {
          const place = 4 * (Math.floor(i / width) * wide + n * (width + 1) + (i % width));
          image.data.fill(Math.round(GREY * value), place, place + 3);
          image.data[place + 3] = GREY;
        });
        pen.putImageData(image, 0, 0);
      });
    return { canvas, set };
  };

  const draw = (figure) => {
    const { data } = figure;
    const { betas, rates, distortions, shape } = data;
    const ends = [rates, distortions].map((values) => Math.ceil(1.12 * Math.max(...values)));
    const kept = data.reconstructions.map((images) => images.map(pixels));
    const last = betas.length - 1;
    figure.title("What a nat of code buys", "Drag the circle along the curve: every point is a model of its own, trained with that β.");
    const [left, right] = figure.row("vl-wide-left", 2);
    const plane = figure.plot(left, {
      label: "Rate and distortion", x: [0, ends[0]], y: [0, ends[1]], xLabel: "rate, nats", yLabel: "distortion, nats", ratio: 0.72, yTicks: 5,
    });
    const level = plane.line("vl-ink vl-dotted");
    const tangent = plane.line("vl-vermillion vl-dashed");
    const curve = plane.curve("vl-blue vl-thin");
    const dots = betas.map(() => plane.mark("circle", "vl-dot vl-blue", { r: 4 }));
    const names = betas.map(() => plane.text("", "start"));
    const pick = (index) => figure.set({ index: live.clamp(index, 0, last) });
    plane.handle({
      label: "The model on the curve", classes: "vl-vermillion", step: [1, 0],
      at: () => [rates[figure.state.index], distortions[figure.state.index]],
      move: (x, y) => pick(nearest(x, y, data, ends)),
      press: (way) => pick(figure.state.index - Math.sign(way)), // to the right the rate grows, and beta falls
      value: () => ({ now: figure.state.index, min: 0, max: last, text: `beta ${betas[figure.state.index]}` }),
    });
    figure.legend(left, [["vl-vermillion vl-dashed", "slope −β: the same D + βR"], ["vl-ink vl-dotted", "slope −1: the best ELBO"]]);
    const words = live.html("p", { class: "vl-small" });
    right.append(live.html("p", { class: "vl-small" }, "Held-out images:"));
    const above = rowOfImages(right, data.originals.length, shape, "Held-out images");
    right.append(words);
    const below = rowOfImages(right, data.originals.length, shape, "Their reconstructions");
    const rows = {
      rate: ["rate R", "what the code costs"],
      distortion: ["distortion D", "what is still to be told"],
      sum: ["R + D", "minus the ELBO", "vl-sum"],
      objective: ["D + βR", "what this training minimises"],
      cheapest: ["cheapest", "of all at this β"],
    };
    const show = figure.values(right, rows, "In nats");
    figure.slider(left, { key: "index", label: "β", min: 0, max: last, step: 1, text: (index) => String(betas[index]) });
    figure.says((state) => sentence(state, data));
    const foot = figure.foot();
    figure.button(foot, "Let β fall", () => figure.animate(4000, (share) => pick(Math.round(last * (1 - share)))));
    above.set(data.originals.map(pixels));
    const top = best(data);
    figure.onDraw((state) => {
      const found = measured(state.index, data);
      curve.set(rates, distortions);
      let free = [Infinity, Infinity]; // where the last name was written: the next keeps its distance
      dots.forEach((dot, i) => {
        const [x, y] = [plane.px(rates[i]), plane.py(distortions[i])];
        dot.setAttribute("cx", x.toFixed(1));
        dot.setAttribute("cy", y.toFixed(1));
        const room = Math.abs(free[0] - x) > NAME_WIDTH || Math.abs(free[1] - y) > NAME_HEIGHT;
        free = room ? [x, y] : free;
        names[i].set(rates[i] + 0.025 * ends[0], distortions[i] + 0.025 * ends[1], room ? String(betas[i]) : "");
      });
      const sum = rates[top] + distortions[top];
      level.set(0, sum, ends[0], sum - ends[0]);
      tangent.set(0, found.objective, ends[0], found.objective - found.beta * ends[0]);
      below.set(kept[state.index]);
      words.textContent = `Their reconstructions at β = ${found.beta}:`;
      below.canvas.setAttribute("aria-label", words.textContent);
      const shown = Object.fromEntries(["rate", "distortion", "sum", "objective"].map((key) => [key, live.format(found[key], 1)]));
      show({ ...shown, cheapest: `β = ${betas[found.cheapest]}` });
    });
  };

  live.define("rate_distortion", { numbers: { pixels, objective, measured, best, nearest, sentence }, draw });
})();
