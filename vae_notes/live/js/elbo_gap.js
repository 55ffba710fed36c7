// One datum, one hidden number: log p(x), the ELBO and the gap between them, with q in the reader's hand.
(() => {
  "use strict";
  const live = window.vaeNotesLive;
  const MEAN = { min: -3, max: 3, step: 0.05 };
  const SCALE = { min: 0.15, max: 1.5, step: 0.01 };
  const STD_X = 0.5;
  const GRID = live.linspace(-12, 12, 2401);
  const SHOWN = live.linspace(-3.4, 3.4, 273);
  const TOP = 2.8;
  const MEANS = live.linspace(-3.4, 3.4, 205);

  // ---------------------------------------------------------------- numbers

  /** log p(x|z) + log p(z), in nats, for x|z ~ N(z + bend z^2, 1/4). */
  const logJoint = (z, x, bend) => live.logNormal(x, z + bend * z * z, STD_X) + live.logNormal(z, 0, 1);

  /** log p(x), summed over a fine grid of z. */
  const logEvidence = (x, bend) => {
    const values = GRID.map((z) => logJoint(z, x, bend));
    const top = Math.max(...values);
    const sum = values.reduce((total, value) => total + Math.exp(value - top), 0);
    return top + Math.log(sum * (GRID[1] - GRID[0]));
  };

  /** The ELBO and its two terms, in nats, without sampling. */
  const parts = ({ loc, scale, x, bend }) => {
    const variance = scale * scale;
    const mean = loc + bend * (loc * loc + variance);
    const spread = variance * (1 + 2 * bend * loc) ** 2 + 2 * bend ** 2 * variance ** 2;
    const reconstruction = live.logNormal(x, mean, STD_X) - spread / (2 * STD_X ** 2);
    const kl = 0.5 * (loc * loc + variance - Math.log(variance) - 1);
    return { reconstruction, kl, elbo: reconstruction - kl };
  };

  /** Gradient ascent on the ELBO in (mean, log std); a step that leads down is halved. */
  const climb = (state, steps) => {
    let { loc, scale } = state;
    let size = 0.05;
    const height = (m, s) => parts({ ...state, loc: m, scale: s }).elbo;
    for (let i = 0; i < steps; i++) {
      const h = 1e-5;
      const slopes = [
        (height(loc + h, scale) - height(loc - h, scale)) / (2 * h),
        (height(loc, scale * Math.exp(h)) - height(loc, scale * Math.exp(-h))) / (2 * h),
      ];
      const here = height(loc, scale);
      const next = () => [
        live.clamp(loc + size * slopes[0], MEAN.min, MEAN.max),
        live.clamp(scale * Math.exp(live.clamp(size * slopes[1], -1, 1)), SCALE.min, SCALE.max),
      ];
      while (size > 1e-9 && height(...next()) < here) {
        size /= 2;
      }
      [loc, scale] = next();
      size *= 1.3;
    }
    return { loc, scale };
  };

  const sentence = (state) => {
    const { elbo } = parts(state);
    const evidence = logEvidence(state.x, state.bend);
    const [all, bound, gap] = [evidence, elbo, evidence - elbo].map((value) => live.format(value, 3));
    return `log p(x) = ${all} nats: the ELBO is ${bound}, the gap ${gap}.`;
  };

  // ---------------------------------------------------------------- drawing

  const draw = (figure) => {
    figure.title("The gap is how far q is from the posterior", "Drag the circles: the upper one moves the mean of q, the lower one its width. Then bend the decoder.");
    const [left, right] = figure.row("vl-wide-left", 2);
    const densities = figure.plot(left, { label: "Posterior and q", x: [-3.4, 3.4], y: [0, TOP], xLabel: "z", yLabel: "density", ratio: 0.52 });
    const profile = figure.plot(left, { label: "ELBO against the mean of q, at this width", x: [-3.4, 3.4], y: [-8, 0], xLabel: "mean of q", yLabel: "nats", ratio: 0.46 });
    const posterior = densities.area("vl-middle");
    const q = densities.curve("vl-blue");
    const width = densities.line("vl-blue vl-thin");
    const [roof, bound] = [profile.line("vl-ink vl-dashed"), profile.curve("vl-green")];
    const gap = profile.line("vl-vermillion vl-thick");
    const dot = profile.mark("circle", "vl-dot vl-green", { r: 5 });
    const density = (z) => Math.exp(live.logNormal(z, figure.state.loc, figure.state.scale));
    densities.handle({
      label: "Mean of q",
      classes: "vl-blue",
      at: () => [figure.state.loc, Math.min(TOP, density(figure.state.loc))],
      move: (z) => figure.set({ loc: live.snap(z, MEAN.min, MEAN.max, MEAN.step) }),
      step: [MEAN.step, 0],
      value: () => ({ now: figure.state.loc, ...MEAN, text: `mean ${live.format(figure.state.loc)}` }),
    });
    densities.handle({
      label: "Standard deviation of q",
      classes: "vl-blue",
      at: () => [figure.state.loc + figure.state.scale, density(figure.state.loc + figure.state.scale)],
      move: (z) => figure.set({ scale: live.snap(z - figure.state.loc, SCALE.min, SCALE.max, SCALE.step) }),
      step: [SCALE.step, 0],
      value: () => ({ now: figure.state.scale, ...SCALE, text: `standard deviation ${live.format(figure.state.scale)}` }),
    });
    figure.legend(left, [["vl-blue", "q"], ["vl-middle", "posterior p(z|x)", "area"], ["vl-ink vl-dashed", "log p(x)"], ["vl-green", "ELBO at this width"], ["vl-vermillion vl-thick", "the gap"]]);
    const rows = {
      reconstruction: ["reconstruction", "mean of log p(x|z) under q"],
      kl: ["− KL to the prior", "KL(q‖p(z)), taken away"],
      elbo: ["ELBO", "the sum of these two", "vl-sum"],
      gap: ["+ gap", "KL(q‖posterior)"],
      evidence: ["log p(x)", "does not know q", "vl-sum"],
    };
    const show = figure.values(right, rows, "In nats");
    const sliders = figure.row("vl-sliders", 2);
    figure.slider(sliders[0], { key: "loc", label: "mean of q", ...MEAN });
    figure.slider(sliders[0], { key: "scale", label: "σ of q", ...SCALE });
    figure.slider(sliders[1], { key: "bend", label: "bend θ", min: 0, max: 1, step: 0.05 });
    figure.slider(sliders[1], { key: "x", label: "datum x", min: -1, max: 3, step: 0.1 });
    figure.says(sentence);
    const foot = figure.foot();
    figure.button(foot, "Climb the ELBO", () => {
      const start = { ...figure.state };
      figure.animate(1800, (share) => figure.set(climb(start, Math.round(share * 120))));
    });
    let known = null;
    figure.onDraw((state) => {
      const { reconstruction, kl, elbo } = parts(state);
      if (String([state.x, state.bend]) !== String(known?.of)) {
        known = { of: [state.x, state.bend], evidence: logEvidence(state.x, state.bend) };
      }
      const { evidence } = known;
      const values = { reconstruction, kl: -kl, elbo, gap: evidence - elbo, evidence };
      show(Object.fromEntries(Object.entries(values).map(([key, value]) => [key, live.format(value, 3)])));
      posterior.set(SHOWN, SHOWN.map((z) => Math.exp(logJoint(z, state.x, state.bend) - evidence)));
      q.set(SHOWN, SHOWN.map(density));
      const level = density(state.loc + state.scale);
      width.set(state.loc, level, state.loc + state.scale, level);
      const low = Math.floor(evidence) - 6;
      profile.setRange({ y: [low, low + 8] });
      roof.set(-3.4, evidence, 3.4, evidence);
      bound.set(MEANS, MEANS.map((loc) => parts({ ...state, loc }).elbo));
      gap.set(state.loc, evidence, state.loc, Math.max(elbo, low));
      dot.setAttribute("cx", profile.px(state.loc));
      dot.setAttribute("cy", profile.py(Math.max(elbo, low)));
    });
  };

  live.define("elbo_gap", { numbers: { logJoint, logEvidence, parts, climb, sentence }, draw });
})();
