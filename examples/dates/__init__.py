"""The dates project: dates as eighteen locales write them, to ISO form, character by character."""
