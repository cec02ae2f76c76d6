"""The commands of `seqlayers`, a file each; `seqlayers.commands.cli` has what they share."""
