// esbuild gives an `.mjs` file, as those of Grafana, the whole module for a default import, and not its `default`.
module.exports = require("./node_modules/react-custom-scrollbars-2/lib/index.js").default;
