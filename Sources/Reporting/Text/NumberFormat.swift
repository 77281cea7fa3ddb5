import Foundation

/// Numbers as people read them; the same in every locale.
public enum NumberFormat {
  /// Fixed digits after the point; `∞` and `–` where there is no number.
  public static func fixed(_ value: Double?, digits: Int = 2) -> String {
    guard let value, !value.isNaN else { return "–" }
    if value.isInfinite { return value < 0 ? "−∞" : "∞" }
    let digits = max(0, min(12, digits))
    return String(format: "%.\(digits)f", value)
  }

  /// `37.69 dB`.
  public static func decibels(_ value: Double?) -> String { fixed(value) + " dB" }

  /// A share as `7.1 %`.
  public static func percent(_ share: Double?, digits: Int = 1) -> String {
    fixed(share.map { $0 * 100 }, digits: digits) + " %"
  }

  /// `3.42×`.
  public static func factor(_ value: Double?) -> String { fixed(value) + "×" }

  /// `12,288`.
  public static func grouped(_ value: Int) -> String {
    let digits = String(value.magnitude)
    var result = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { result += "," }
      result.append(digit)
    }
    return (value < 0 ? "-" : "") + result
  }

  /// `850 µs`, `12.3 ms`, `4.56 s`, `3 min 20 s`, `1 h 05 min`.
  public static func duration(_ seconds: Double?) -> String {
    guard let seconds, seconds.isFinite, seconds >= 0 else { return "–" }
    if seconds < 0.9995e-3 { return fixed(seconds * 1e6, digits: 0) + " µs" }
    if seconds < 0.9995 { return fixed(seconds * 1e3, digits: seconds < 0.09995 ? 1 : 0) + " ms" }
    if seconds < 59.95 { return fixed(seconds, digits: seconds < 9.995 ? 2 : 1) + " s" }
    let whole = Int(min(seconds.rounded(), 3.6e12))
    if whole < 3600 { return "\(whole / 60) min \(String(format: "%02d", whole % 60)) s" }
    return "\(whole / 3600) h \(String(format: "%02d", whole % 3600 / 60)) min"
  }

  /// `1.5 MiB`.
  public static func bytes(_ count: Int) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    if count.magnitude < 1024 { return "\(count) B" }
    var value = Double(count) / 1024
    var unit = 0
    while abs(value) >= 1023.95, unit < units.count - 1 {
      value /= 1024
      unit += 1
    }
    return fixed(value, digits: 1) + " " + units[unit]
  }

  /// Powers of ten, `1.2e-05`: for errors.
  public static func scientific(_ value: Double?) -> String {
    guard let value, value.isFinite else { return fixed(value) }
    return String(format: "%.1e", value)
  }
}
