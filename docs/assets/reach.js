// What scrolls can be reached by keyboard and has a name; the search has one, too.
function reach() {
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
  for (const one of document.querySelectorAll(".output, .arithmatex, .md-typeset__scrollwrap, .md-typeset pre > code")) {
    if (one.scrollWidth > one.clientWidth) {
      const name = one.querySelector("table") ? "Table" : one.closest("pre") || one.querySelector("pre") ? "Code" : "Formula";
      Object.assign(one, {tabIndex: 0}).setAttribute("role", "region");
      one.setAttribute("aria-label", `${name}, wider than the page`);
    }
  }
}
addEventListener("load", () => (window.MathJax?.startup?.promise ?? Promise.resolve()).then(reach));
addEventListener("resize", reach);
