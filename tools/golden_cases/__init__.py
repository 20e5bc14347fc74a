"""The cases of the golden values: one module a group of families, each with a table FAMILIES of generators."""
