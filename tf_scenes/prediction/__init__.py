"""What a model finds in a user's picture files, written for other programs: tables, masks, COCO, overlays."""
