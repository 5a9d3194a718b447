"""`sysctl dev plugin monitor`: how plugins are doing, live."""
