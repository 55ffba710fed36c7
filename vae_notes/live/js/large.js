// Data too large for a chapter's page, as a model's weights: in the page in a notebook, on a site in a file of its own.
//
// Such a file is a script and no JSON, since a page that was opened from a disk may run a script but fetch nothing.
// It is asked for once, when the first figure that needs it comes near; until then its still picture stands there.
(() => {
  "use strict";
  const live = window.vaeNotesLive;
  if (live.large) {
    return;
  }
  const NEAR = "600px"; // of scrolling: the data mostly arrive before the figure does
  const FAILED = "The data of this figure did not load, so it stays a still picture. Reload the page to try again.";
  const delivered = {};
  const files = {};

  /** What a file of data calls. */
  const deliver = (name, data) => (delivered[name] = data);

  /** The data of a file, which is asked for once however many figures need it. */
  const load = (address) =>
    (files[address] ??= new Promise((resolve, reject) => {
      const name = address.replace(/^.*\/|\.js$/g, "");
      const script = live.html("script", { src: address });
      script.addEventListener("load", () => (name in delivered ? resolve(delivered[name]) : reject())); // no page of errors
      script.addEventListener("error", () => reject());
      document.head.append(script);
    }));

  /** The still picture, which the page holds for readers without scripts, over the figure, whose room is kept. */
  const still = (figure) => {
    const stored = figure.root.querySelector("noscript").textContent;
    const picture = new DOMParser().parseFromString(stored, "text/html").querySelector("img");
    const words = live.html("p", { role: "status" });
    const box = live.html("div", { class: "vl-still" }, document.adoptNode(picture), words);
    figure.root.append(box);
    figure.body.classList.add("vl-waiting");
    const remove = () => {
      box.remove();
      figure.body.classList.remove("vl-waiting");
    };
    return { words, remove };
  };

  /** Call take(data) once the figure's large data are there: at once if they lie in the page. */
  const large = (figure, take) => {
    const block = figure.root.querySelector("script[data-live-large]");
    const give = (data) => take(Object.assign(figure.data, data));
    const address = block.dataset.file;
    if (!address) {
      give(JSON.parse(block.textContent));
      return;
    }
    const { words, remove } = still(figure);
    const arrive = (data) => {
      give(data);
      figure.draw();
      remove();
    };
    const observer = new IntersectionObserver(
      (seen) => {
        if (seen.some((one) => one.isIntersecting)) {
          observer.disconnect();
          load(address).then(arrive, () => (words.textContent = FAILED));
        }
      },
      { rootMargin: NEAR },
    );
    observer.observe(figure.root);
  };

  Object.assign(live, { deliver, large });
})();
