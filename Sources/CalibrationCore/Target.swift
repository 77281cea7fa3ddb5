/// What the user asked calibration to keep or to reach, on the worst case.
public enum Target: Equatable, Sendable {
  /// At least this PSNR, in dB, of each edited clip against its full-attention sample.
  case psnr(Double)
  /// At most this relative L2 error of each edited clip.
  case maxError(Double)
  /// At most this executed density, over all cases.
  case density(Double)
  /// At least this speed-up of a model step over full attention.
  case speedup(Double)

  /// Whether a larger threshold can break it (quality) rather than mend it (cost).
  public var isQuality: Bool {
    switch self {
    case .psnr, .maxError: true
    case .density, .speedup: false
    }
  }

  public var name: String {
    switch self {
    case .psnr: "psnr"
    case .maxError: "max_error"
    case .density: "density"
    case .speedup: "speedup"
    }
  }

  public var value: Double {
    switch self {
    case .psnr(let x), .maxError(let x), .density(let x), .speedup(let x): x
    }
  }

  public init?(name: String, value: Double) {
    switch name {
    case "psnr": self = .psnr(value)
    case "max_error": self = .maxError(value)
    case "density": self = .density(value)
    case "speedup": self = .speedup(value)
    default: return nil
    }
  }

  /// For people: `PSNR ≥ 35 dB`.
  public var description: String {
    switch self {
    case .psnr(let x): "PSNR ≥ \(trimmed(x)) dB"
    case .maxError(let x): "relative error ≤ \(trimmed(x))"
    case .density(let x): "executed density ≤ \(trimmed(x))"
    case .speedup(let x): "speed-up ≥ \(trimmed(x))"
    }
  }

  private func trimmed(_ x: Double) -> String { x == x.rounded() && abs(x) < 1e9 ? "\(Int(x))" : "\(x)" }
}
