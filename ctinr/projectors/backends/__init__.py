"""The engines, one file each, and the table of Joseph's model that they share."""
