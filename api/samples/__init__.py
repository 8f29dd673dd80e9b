"""Sample neighbourhoods: real streets and buildings from OpenStreetMap, with bays and demands that are made up."""
