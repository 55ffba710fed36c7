// Boxes that scroll sideways must be reachable by keyboard: mark those that do, and only those.
(() => {
  const boxes = '.bd-article mjx-container[display="true"], .bd-article pre, .pst-scrollable-table-container';
  const mark = () => {
    for (const box of document.querySelectorAll(boxes)) {
      if (box.scrollWidth > box.clientWidth + 1) {
        box.tabIndex = 0;
      } else {
        box.removeAttribute("tabindex");
      }
    }
  };
  const start = () => {
    mark();
    window.MathJax?.startup?.promise?.then(mark);
  };
  window.addEventListener("load", start);
  window.addEventListener("resize", mark);
})();
