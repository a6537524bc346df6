"""Who proposes ideas, and how they learn: ideators, searches, reports."""
