"""What training costs, and how it grows: `make bench`. Nothing here is part of the tests."""
