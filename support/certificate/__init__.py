"""A certificate: one folder with a run, what it tested and its decision, which anybody can verify.

certify       makes the folder from one or several folders of reports
manifest      the SHA-256 of each file of a folder, and what differs from it
provenance    versions and SHA-256 of program, models and suite; the machine
recomputation the decision of a run, made once more from its raw results
verify        compares a folder with its manifest, and its decision with the raw results
"""
