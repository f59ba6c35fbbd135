// What changes from run to run comes as JSON in the file that ACCEPTANCE_ALLURE_RUN names.
import { readFileSync } from "node:fs";

const run = JSON.parse(readFileSync(process.env.ACCEPTANCE_ALLURE_RUN, "utf8"));

export default {
  name: run.name,
  output: run.output,
  historyPath: run.history,
  historyLimit: run.runs,
  // Place and language of a test say nothing here that the list does not say already.
  hideLabels: ["framework", "language", "parentSuite", "suite", "subSuite", "host"],
  // The first rule that matches wins. Only the first line of a message counts: those below quote the target,
  // whose words decide nothing.
  categories: [
    {
      name: "Known issues",
      matchers: ({ labels }) => labels.some(({ name, value }) => name === "tag" && value === "known-issue"),
    },
    {
      name: "Target down",
      matchers: {
        statuses: ["broken", "failed"],
        message:
          /^.*(?:connection refused|connection reset|server (?:has )?(?:died|ended|exited)|target .*(?:died|ended|exited|down))/i,
      },
    },
    {
      name: "Budget exceeded",
      matchers: { statuses: ["broken", "failed"], message: /^.*(?:budget|did not end within|timed? ?out)/i },
    },
    { name: "Product defects", matchers: { statuses: ["failed"] } },
    { name: "Harness defects", matchers: { statuses: ["broken"] } },
    { name: "Skipped: not possible here", matchers: { statuses: ["skipped"] } },
  ],
  performance: run.performance,
  plugins: {
    awesome: {
      options: {
        singleFile: true,
        reportName: run.name,
        reportLanguage: "en",
        theme: "auto",
        groupBy: ["epic", "feature", "story"],
        // A whole suite may take a second: without this the timeline shows nothing.
        timeline: { minDuration: 0 },
        // Those that say something here: others want environments or layers, or take what is skipped for failed.
        charts: [
          { type: "statusDynamics", title: "Scenarios and checks, run by run" },
          {
            type: "testResultSeverities",
            title: "Scenarios and checks by severity",
            levels: ["blocker", "critical", "normal", "minor", "trivial"],
            statuses: ["passed", "failed", "broken", "skipped", "unknown"],
            includeUnset: true,
          },
          { type: "durations", title: "How long scenarios and checks took", groupBy: "none" },
          { type: "durationDynamics", title: "Time, run by run" },
        ],
      },
    },
  },
};
