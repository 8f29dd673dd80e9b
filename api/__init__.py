"""The service and the command line of Baytide: folders, calendars, planning, database, pages."""
