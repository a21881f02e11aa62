"""What goes wrong: crashes, races, full disks, slow links, hostile peers and ill servers."""
