// Gumbel-softmax draws on the simplex, with the noise held: who wins, and where the soft draw lies.
(() => {
  "use strict";
  const live = window.vaeNotesLive;
  const LOGIT = { min: -3, max: 3, step: 0.05 };
  const TAU = { min: -1.3, max: 1, step: 0.05 }; // the logarithm of the temperature to base 10
  const HEIGHT = Math.sqrt(3) / 2;
  const CORNERS = [[0, 0], [1, 0], [0.5, HEIGHT]];
  const KINDS = ["vl-blue", "vl-orange", "vl-green"];
  const PATH = live.linspace(-2.3, 2.3, 70); // the temperatures of one draw's path

  // ---------------------------------------------------------------- numbers

  /** exp(scores / tau), divided by its sum. */
  const softmax = (scores, tau = 1) => {
    const top = Math.max(...scores);
    const parts = scores.map((score) => Math.exp((score - top) / tau));
    const sum = parts.reduce((total, part) => total + part, 0);
    return parts.map((part) => part / sum);
  };

  /** Index of the largest of a few numbers. */
  const winner = (scores) => scores.indexOf(Math.max(...scores));

  /** The scores of one draw: logits plus noise. */
  const scores = (logits, noise) => logits.map((logit, i) => logit + noise[i]);

  const softDraw = (logits, noise, tau) => softmax(scores(logits, noise), tau);

  /** Of all draws: the classes' probabilities, how often each wins, and the mean of the soft draws. */
  const summary = (logits, noise, tau) => {
    const wins = logits.map(() => 0);
    const mean = logits.map(() => 0);
    for (const row of noise) {
      wins[winner(scores(logits, row))] += 1 / noise.length;
      softDraw(logits, row, tau).forEach((y, i) => (mean[i] += y / noise.length));
    }
    return { probabilities: softmax(logits), wins, mean };
  };

  /** A point of the simplex on paper, and the nearest point of the simplex for one on paper. */
  const onPaper = (y) => [0, 1].map((axis) => y.reduce((sum, share, i) => sum + share * CORNERS[i][axis], 0));
  const fromPaper = (x, y) => {
    const third = y / HEIGHT;
    const parts = [1 - x - third / 2, x - third / 2, third].map((part) => Math.max(part, 0.002));
    const sum = parts.reduce((total, part) => total + part, 0);
    return parts.map((part) => part / sum);
  };

  /** Logits with these probabilities and (but for the ends of the sliders) the sum of the old ones. */
  const logitsOf = (probabilities, old) => {
    const logs = probabilities.map(Math.log);
    const mean = (values) => values.reduce((total, value) => total + value, 0) / values.length;
    const shift = mean(old) - mean(logs);
    return logs.map((value) => live.snap(value + shift, LOGIT.min, LOGIT.max, LOGIT.step));
  };

  const logitsIn = ({ l1, l2, l3 }) => [l1, l2, l3];
  const temperature = (state) => 10 ** state.log_tau;

  const sentence = (state, noise) => {
    const { probabilities, wins, mean } = summary(logitsIn(state), noise, temperature(state));
    const [pi, won, soft] = [probabilities, wins, mean].map((values) => live.format(values[0], 3));
    return `τ = ${live.format(temperature(state), 2)}: class 1 wins ${won} of the draws (π₁ = ${pi}); the mean of y₁ is ${soft}.`;
  };

  // ---------------------------------------------------------------- drawing

  const draw = (figure) => {
    const { noise } = figure.data;
    figure.title("Soft choices on the simplex", "Drag the square, the probabilities. Cool the draws and follow one of them to its corner.");
    const [left, right] = figure.row("vl-half", 2);
    const paper = figure.plot(left, {
      label: "Draws on the simplex", x: [-0.13, 1.13], y: [-0.12, 0.97], ratio: 0.865, margin: { left: 8, right: 8, top: 6, bottom: 6 },
    });
    paper.grid.setAttribute("display", "none");
    const bars = figure.plot(right, {
      label: "How often each class wins, and the means of the soft draws", x: [0.4, 3.6], y: [0, 1], yLabel: "share", ratio: 0.62, xTicks: 4,
      xFormat: (tick) => (Number.isInteger(tick) ? `class ${tick}` : ""),
    });
    const frame = paper.curve("vl-middle vl-thin");
    const dots = KINDS.map((kind) => paper.mark("path", `vl-dots ${kind}`));
    const names = CORNERS.map(() => paper.text(""));
    const path = paper.curve("vl-ink");
    const [one, centre] = [paper.mark("circle", "vl-dot vl-ink", { r: 6 }), paper.mark("path", "vl-dot vl-vermillion", { d: "M0 -9L9 0L0 9L-9 0Z" })];
    const pairs = KINDS.map((kind) => [bars.area(kind), bars.area(kind, { hatched: true }), bars.line("vl-ink vl-thick")]);
    paper.handle({
      label: "The probabilities", shape: "square", classes: "vl-ink", step: [0.02, 0.02],
      at: () => onPaper(softmax(logitsIn(figure.state))),
      move: (x, y) => {
        const [l1, l2, l3] = logitsOf(fromPaper(x, y), logitsIn(figure.state));
        figure.set({ l1, l2, l3 });
      },
      value: () => {
        const pi = softmax(logitsIn(figure.state)).map((share) => live.format(share));
        return { now: Number(pi[0]), min: 0, max: 1, text: `class 1 ${pi[0]}, class 2 ${pi[1]}, class 3 ${pi[2]}` };
      },
    });
    figure.legend(left, [["vl-ink vl-thick", "π, to drag (square)"], ["vl-vermillion vl-thick", "mean of y (diamond)"], ["vl-ink", "path of one draw"]]);
    figure.legend(right, [["vl-middle", "it wins", "area"], ["vl-middle", "mean of y", "hatch"], ["vl-ink vl-thick", "π"]]);
    const rows = { noise: ["noise g", "held"], scores: ["scores ℓ + g", "the largest wins"], y: ["y", "soft draw"], z: ["z", "one-hot"] };
    const show = figure.values(right, rows, "The draw on the path");
    const sliders = figure.row("vl-sliders", 2);
    const text = (power) => live.format(10 ** power, 2);
    figure.slider(sliders[0], { key: "log_tau", label: "temperature τ", ...TAU, text });
    figure.slider(sliders[0], { key: "draw", label: "follow draw", min: 1, max: noise.length, step: 1, digits: 0 });
    for (const i of [1, 2, 3]) {
      figure.slider(sliders[1], { key: `l${i}`, label: `logit ℓ${"₀₁₂₃"[i]}`, ...LOGIT });
    }
    figure.says((state) => sentence(state, noise));
    figure.button(figure.foot(), "Cool down", () => {
      figure.animate(4000, (share) => figure.set({ log_tau: live.snap(TAU.max + share * (TAU.min - TAU.max), TAU.min, TAU.max, TAU.step) }));
    });
    figure.onDraw((state) => {
      const [logits, tau] = [logitsIn(state), temperature(state)];
      frame.set([0, 1, 0.5, 0], [0, 0, HEIGHT, 0]);
      names.forEach((name, i) => name.set(CORNERS[i][0] + [-0.03, 0.03, 0][i], i < 2 ? -0.1 : HEIGHT + 0.04, `class ${i + 1}`));
      const places = KINDS.map(() => "");
      for (const row of noise) {
        const [x, y] = onPaper(softDraw(logits, row, tau));
        places[winner(scores(logits, row))] += `M${paper.px(x).toFixed(1)} ${paper.py(y).toFixed(1)}h0`;
      }
      dots.forEach((dot, i) => dot.setAttribute("d", places[i]));
      const held = noise[state.draw - 1];
      const way = PATH.map((power) => onPaper(softDraw(logits, held, 10 ** power)));
      path.set(way.map((point) => point[0]), way.map((point) => point[1]));
      const soft = softDraw(logits, held, tau);
      const { probabilities, wins, mean } = summary(logits, noise, tau);
      const put = (element, y) => {
        const [px, py] = onPaper(y);
        element.setAttribute("transform", `translate(${paper.px(px).toFixed(1)} ${paper.py(py).toFixed(1)})`);
      };
      put(one, soft);
      put(centre, mean);
      pairs.forEach(([won, average, level], i) => {
        won.set([i + 0.68, i + 0.98], [wins[i], wins[i]]);
        average.set([i + 1.02, i + 1.32], [mean[i], mean[i]]);
        level.set(i + 0.62, probabilities[i], i + 1.38, probabilities[i]);
      });
      const all = scores(logits, held);
      const list = (values, digits) => values.map((value) => live.format(value, digits)).join(", ");
      show({ noise: list(held, 2), scores: list(all, 2), y: list(soft, 2), z: list(all.map((_, i) => Number(i === winner(all))), 0) });
    });
  };

  const numbers = { softmax, winner, softDraw, summary, onPaper, fromPaper, logitsOf, sentence };
  live.define("gumbel_softmax", { numbers, draw });
})();
