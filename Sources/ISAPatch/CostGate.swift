import AttentionPatterns
import CalibrationCore

/// Tells which sites would gain nothing by being replaced on this machine.
struct CostGate {
  var model: CostModel

  /// A length that is not fixed is taken for a long one.
  ///
  /// - Parameter density: executed density of the site's policy, where it is known; else the site is not judged.
  /// - Returns: nil where replacing gains, or where what it costs is not known.
  func reason(_ site: Site, hasBias: Bool, density: Double?) -> KeptReason? {
    guard let density, let headSize = site.headSize else { return nil }
    var tokens = Double.infinity
    if let queries = site.queryLength?.value, let keys = site.keyLength?.value {
      tokens = max(1, (Double(queries) * Double(keys)).squareRoot())
    }
    let share = model.share(
      of: CostModel.Original(site), hasBias: hasBias, headSize: headSize, tokens: tokens, density: density)
    guard let share, share > CostModel.tolerance else { return nil }
    return .gainsNothing(hundredths: Int((min(share, 1e6) * 100).rounded()))
  }
}

extension CostModel.Original {
  init(_ site: Site) {
    switch site.pattern {
    case "Attention": self = .attention
    case let pattern where pattern.hasPrefix("com.microsoft."): self = .multiHeadAttention
    default: self = .decomposed
    }
  }
}
