/// How a tensor holds [batch, heads, tokens, size].
enum Layout: String, CaseIterable {
  case bshd = "BSHD"
  case bhsd = "BHSD"
  /// Heads side by side in the last axis.
  case bse = "BSE"

  var rank: Int { self == .bse ? 3 : 4 }
}
