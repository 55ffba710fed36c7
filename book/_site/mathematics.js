// Typeset equations: reads {folder, items: [{tex, display}, ...]} as JSON, writes {html: [...], css} as JSON.
const job = JSON.parse(require("fs").readFileSync(0, "utf8"));

async function main() {
  const MathJax = await require(job.folder + "/node-main.js").init({
    loader: { paths: { mathjax: job.folder }, load: ["input/tex", "output/chtml", "adaptors/liteDOM", "a11y/assistive-mml"] },
    chtml: { adaptiveCSS: false, fontURL: "FONTS" },
    startup: { typeset: false },
  });
  const html = [];
  for (const { tex, display } of job.items) {
    html.push(MathJax.startup.adaptor.outerHTML(await MathJax.tex2chtmlPromise(tex, { display })));
  }
  process.stdout.write(JSON.stringify({ html, css: MathJax.startup.adaptor.textContent(MathJax.chtmlStylesheet()) }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
