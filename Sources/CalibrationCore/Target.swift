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

  /// What is wrong with the number, as the end of a sentence about it; nil where nothing is.
  public var problem: String? {
    switch self {
    case .psnr(let x):
      x > 0 && x <= Self.greatestPSNR ? nil : "is not above 0 and up to \(Int(Self.greatestPSNR)) dB; 35 is usual"
    case .maxError(let x): x > 0 && x.isFinite ? nil : "is no relative error, which is above 0; 0.02 is a usual one"
    case .density(let x):
      x > 0 && x <= 1
        ? nil
        : "is not a share above 0 and up to 1"
          + (x > 1 && x <= 100 ? "; write \(x / 100) for \(trimmed(x)) %" : "; 0.1 is a tenth")
    case .speedup(let x): x > 0 && x.isFinite ? nil : "is no factor above 0; 2 is twice as fast"
    }
  }

  /// No measurement tells more apart.
  private static let greatestPSNR = 200.0

  /// For people: `PSNR ≥ 35 dB`.
  public var description: String {
    switch self {
    case .psnr(let x): "PSNR ≥ \(trimmed(x)) dB"
    case .maxError(let x): "relative error ≤ \(trimmed(x))"
    case .density(let x): "executed density ≤ \(trimmed(x))"
    case .speedup(let x): "speed-up ≥ \(trimmed(x))"
    }
  }

  /// The number, as people write it.
  public var text: String { trimmed(value) }

  private func trimmed(_ x: Double) -> String { x == x.rounded() && abs(x) < 1e9 ? "\(Int(x))" : "\(x)" }
}
