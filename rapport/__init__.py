"""What workflows, activities and starters all speak: contracts, rules, mail and storage."""
