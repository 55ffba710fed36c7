// Boxes that scroll sideways must be reachable by keyboard: mark those that do, and only those.
(() => {
  const boxes = '.bd-article mjx-container[display="true"], .bd-article pre, .cell_output > .output, .pst-scrollable-table-container';
  let waiting = [];
  const mark = (box) => {
    if (box.scrollWidth > box.clientWidth + 1) {
      box.tabIndex = 0;
    } else {
      box.removeAttribute("tabindex");
    }
  };
  // Done in the breaks: the reader scrolls meanwhile.
  const work = () => {
    const end = performance.now() + 8;
    while (waiting.length && performance.now() < end) {
      mark(waiting.shift());
    }
    if (waiting.length) {
      later(work);
    }
  };
  const later = window.requestIdleCallback ?? ((task) => setTimeout(task, 20)); // Safari has no idle callback
  // A section far from the window is not laid out; measuring there would do it at once. It reports when it is near.
  const near = (box) => box.checkVisibility?.({ contentVisibilityAuto: true }) ?? true;
  const queue = (place) => {
    const idle = waiting.length === 0;
    waiting.push(...[...place.querySelectorAll(boxes)].filter(near));
    if (idle && waiting.length) {
      later(work);
    }
  };
  window.addEventListener("load", () => {
    // Sections that were laid out on the way have moved the place that the address names.
    document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
    queue(document);
  });
  window.addEventListener("resize", () => queue(document));
  document.addEventListener("toggle", (event) => queue(event.target), true);
  document.addEventListener("contentvisibilityautostatechange", (event) => event.skipped || queue(event.target), true);

  // The buttons of the page's head, whose scripts the theme writes into attributes.
  const actions = { fullscreen: () => window.toggleFullScreen(), print: () => window.print() };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    actions[button?.dataset.action]?.();
  });
})();
