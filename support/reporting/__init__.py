"""What a run leaves: verdicts, evidence, Allure results and their HTML page, JSON, JUnit, live progress."""
