"""The commands of `seqlayers`, a file each; `seqlayers.cli` has what they share."""
