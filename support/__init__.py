"""Everything the features need: settings, targets, models, clients, measurements, reports."""
