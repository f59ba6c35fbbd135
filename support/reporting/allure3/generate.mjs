// Generates the report: CLI CONFIG RESULTS, the paths of Allure's command line, of the configuration, of the results.
// What `allure generate` does, without loading its other commands: that takes a quarter of its time.
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";

const [cli, config, results] = process.argv.slice(2);
try {
  const core = createRequire(cli).resolve("@allurereport/core");
  const { AllureReport, readConfig } = await import(pathToFileURL(core).href);
  const report = new AllureReport(await readConfig(dirname(config), config));
  await report.start();
  await report.readDirectory(results);
  await report.done();
} catch (error) {
  console.error(String(error));
  process.exit(1);
}
