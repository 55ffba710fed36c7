// The weight of the KL by a schedule, and the floor of free bits: which gradients are alive, and where they lead.
(() => {
  "use strict";
  const live = window.vaeNotesLive;
  const STEPS = 1200;
  const MEAN = { min: -2.4, max: 2.4, step: 0.05 };
  const FLOOR = { min: 0, max: 2, step: 0.05 };
  const LENGTH = { min: 100, max: 1200, step: 50 };
  const CYCLES = 4;
  const RAMP = 0.5; // the part of a cycle in which the weight rises
  const LEFT = 0.01; // what a geometric schedule leaves of the gap after its length
  const RATE = 0.01; // of one step downhill
  const KEYS = ["m1", "m2", "m3", "m4"];
  const SHOWN = live.linspace(-2.5, 2.5, 161);

  // ---------------------------------------------------------------- numbers

  /** The weight of the KL at a step, for schedules that take about `length` steps. */
  const SCHEDULES = {
    linear: (step, length) => Math.min(step / length, 1),
    sigmoid: (step, length) => (1 + Math.tanh((step - length / 2) / (length / 10) / 2)) / 2,
    cyclical: (step, length) => (step >= length ? 1 : Math.min(((step * CYCLES) % length) / length / RAMP, 1)),
    geometric: (step, length) => 1 - LEFT ** (step / length),
    none: () => 1,
  };
  const weight = (kind, step, length) => SCHEDULES[kind](step, length);

  /** Of means with unit variance: each KL, the penalty with a floor, its slopes, and which of them are alive; in nats. */
  const penalty = (means, floor, groups) => {
    const kl = means.map((mean) => (mean * mean) / 2);
    const sum = kl.reduce((total, one) => total + one, 0);
    const alive = groups === "all" ? kl.map(() => sum > floor) : kl.map((one) => one > floor);
    const value = groups === "all" ? Math.max(sum, floor) : kl.reduce((total, one) => total + Math.max(one, floor), 0);
    return { kl, sum, value, alive, slopes: means.map((mean, i) => (alive[i] ? mean : 0)) };
  };

  /** The means at every step, if nothing but the weighted penalty moves them. */
  const descend = (start, floor, groups, kind, length) => {
    const all = [start];
    for (let step = 0; step < STEPS; step++) {
      const here = all[step];
      const { slopes } = penalty(here, floor, groups);
      all.push(here.map((mean, i) => mean - RATE * weight(kind, step, length) * slopes[i]));
    }
    return all;
  };

  const meansOf = (state) => KEYS.map((key) => state[key]);
  const weightOf = (state) => weight(state.schedule, state.step, state.length);

  const sentence = (state) => {
    const { sum, value, alive } = penalty(meansOf(state), state.floor, state.groups);
    const [beta, kl, charged] = [weightOf(state), sum, value].map((one) => live.format(one, 2));
    return `Step ${state.step}: weight ${beta}, KL ${kl}, penalty ${charged} nats; ${alive.filter(Boolean).length} of 4 gradients are alive.`;
  };

  // ---------------------------------------------------------------- drawing

  /** A table with a row for each dimension; gives a function that fills it. */
  const table = (parent) => {
    const heads = ["", "KL", "slope"].map((words) => (words ? live.html("th", { scope: "col" }, words) : live.html("td")));
    const body = live.html("tbody");
    const row = (name, count, classes = "") => {
      const cells = Array.from({ length: count }, () => live.html("td"));
      body.append(live.html("tr", { class: classes }, live.html("th", { scope: "row" }, live.html("b", {}, name)), ...cells));
      return cells;
    };
    const rows = KEYS.map((_, i) => row(`dimension ${i + 1}`, 2));
    const sums = ["sum of them", "with the floor", "× weight"].map((name) => row(name, 2, "vl-sum"));
    parent.append(live.html("table", { class: "vl-terms vl-pairs" }, live.html("thead", {}, live.html("tr", {}, ...heads)), body));
    return ({ kl, slopes, alive, sum, value }, beta) => {
      rows.forEach(([first, second], i) => {
        first.textContent = live.format(kl[i]);
        second.textContent = alive[i] ? live.format(beta * slopes[i]) : "off";
      });
      [sum, value, beta * value].forEach((number, i) => (sums[i][0].textContent = live.format(number)));
    };
  };

  const draw = (figure) => {
    figure.title("Who still feels the KL?", "Drag the circles, four means with variance 1, and the square, the step of training. Then let the KL pull.");
    const [left, right] = figure.row("vl-wide-left", 2);
    const basin = figure.plot(left, {
      label: "KL of each dimension", x: [-2.5, 2.5], y: [0, 3.1], xLabel: "mean μ of a dimension", yLabel: "KL = ½ μ², nats", ratio: 0.52,
    });
    const ramp = figure.plot(left, {
      label: "Weight of the KL", x: [0, STEPS], y: [0, 1.1], xLabel: "step", yLabel: "weight β", ratio: 0.34, yTicks: 2, xFormat: (tick) => String(tick),
    });
    const [bowl, floored] = [basin.curve("vl-middle vl-thin"), basin.curve("vl-blue")];
    const names = KEYS.map(() => basin.text(""));
    const pulls = KEYS.map(() => basin.mark("path", "vl-curve vl-vermillion"));
    const [curve, now] = [ramp.curve("vl-green"), ramp.line("vl-middle vl-thin")];
    const handles = KEYS.map((key, i) =>
      basin.handle({
        label: `Mean of dimension ${i + 1}`, classes: "vl-blue", step: [MEAN.step, 0],
        at: () => [figure.state[key], figure.state[key] ** 2 / 2],
        move: (x) => figure.set({ [key]: live.snap(x, MEAN.min, MEAN.max, MEAN.step) }),
        value: () => ({ now: figure.state[key], min: MEAN.min, max: MEAN.max, text: `mean ${live.format(figure.state[key])}` }),
      }),
    );
    ramp.handle({
      label: "Step of training", shape: "square", classes: "vl-green", step: [10, 0],
      at: () => [figure.state.step, weightOf(figure.state)],
      move: (x) => figure.set({ step: live.snap(x, 0, STEPS, 1) }),
      value: () => ({ now: figure.state.step, min: 0, max: STEPS, text: `step ${figure.state.step}, weight ${live.format(weightOf(figure.state))}` }),
    });
    figure.legend(left, [["vl-middle vl-thin", "KL"], ["vl-blue", "with the floor"], ["vl-vermillion", "pull of the weighted penalty"], ["vl-green", "weight β"]]);
    const show = table(right);
    figure.choice(right, { key: "groups", label: "Floor under", choices: { dimension: "each dimension", all: "their sum" } });
    const sliders = figure.row("vl-sliders", 2);
    figure.slider(sliders[0], { key: "floor", label: "floor λ₀, nats", ...FLOOR });
    figure.slider(sliders[0], { key: "length", label: "ramp, steps", ...LENGTH, digits: 0 });
    const words = { linear: "linear", sigmoid: "sigmoid", cyclical: "cyclical", geometric: "geometric", none: "none" };
    figure.choice(sliders[1], { key: "schedule", label: "Schedule", choices: words });
    figure.says(sentence);
    figure.button(figure.foot(), "Let the KL pull", () => {
      const { floor, groups, schedule, length } = figure.state;
      const way = descend(meansOf(figure.state), floor, groups, schedule, length);
      figure.animate(6000, (share) => {
        const step = Math.round(share * STEPS);
        figure.set({ step, ...Object.fromEntries(KEYS.map((key, i) => [key, way[step][i]])) });
      });
    });
    figure.onDraw((state) => {
      const [means, beta] = [meansOf(state), weightOf(state)];
      const found = penalty(means, state.floor, state.groups);
      show(found, beta);
      bowl.set(SHOWN, SHOWN.map((mean) => mean ** 2 / 2));
      floored.element.setAttribute("display", state.groups === "all" ? "none" : "inline");
      floored.set(SHOWN, SHOWN.map((mean) => Math.max(mean ** 2 / 2, state.floor)));
      means.forEach((mean, i) => {
        const kl = found.kl[i];
        names[i].set(mean, kl + 0.28, String(i + 1));
        const [x, y] = [basin.px(mean), basin.py(kl)];
        const end = basin.px(mean - 0.6 * beta * found.slopes[i]);
        const long = Math.abs(end - x) > 14;
        const back = Math.sign(x - end) * 6;
        pulls[i].setAttribute("d", long ? `M${x.toFixed(1)} ${y.toFixed(1)}H${end.toFixed(1)}m${back} -5l${-back} 5l${back} 5` : "");
        handles[i].classList.toggle("vl-blue", found.alive[i]);
        handles[i].classList.toggle("vl-middle", !found.alive[i]);
      });
      const places = live.linspace(0, STEPS, 401);
      curve.set(places, places.map((step) => weight(state.schedule, step, state.length)));
      now.set(state.step, 0, state.step, beta);
    });
  };

  live.define("annealing", { numbers: { weight, penalty, descend, sentence }, draw });
})();
