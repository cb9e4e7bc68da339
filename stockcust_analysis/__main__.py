"""`python -m stockcust_analysis` is `stockcust`, where scripts are not on the path."""

from stockcust_analysis.cli import main

main()
