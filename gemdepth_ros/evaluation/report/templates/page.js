'use strict';
(() => {
  const options = JSON.parse(document.getElementById('plotly-options').textContent);
  const narrow = window.matchMedia('(max-width: 640px)');

  // A phone has no room for the second line of a legend beside its ticks.
  function fitted(layout) {
    if (!narrow.matches) return layout;
    return Object.assign({}, layout, {
      font: Object.assign({}, layout.font, { size: 11 }),
      margin: Object.assign({}, layout.margin, { l: 48, r: 8 }),
    });
  }

  function draw(source) {
    const figure = JSON.parse(source.textContent);
    const place = document.getElementById(source.dataset.figure);
    return Plotly.newPlot(place, figure.data, fitted(figure.layout), options);
  }

  const sources = [...document.querySelectorAll('script[data-figure]')];
  Promise.all(sources.map(draw)).then(() => {
    document.documentElement.dataset.drawn = String(sources.length);
  });
})();
