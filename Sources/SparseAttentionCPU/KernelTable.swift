import CKernels
import Glibc
import KernelsAVX2
import KernelsAVX512
import KernelsBaseline
import SparseAttention

/// One implementation of the kernels: what it is called, what it needs, and whether this machine has it.
public struct KernelRow: Sendable, Equatable {
  public let name: String
  /// In words, for people.
  public let needs: String
  /// Why it cannot run here; nil where it can.
  public let declined: String?
  /// Products of bfloat16 by an instruction; without, they are float32's.
  public let bfloat16: Bool

  public var isAvailable: Bool { declined == nil }

  let variant: Variant

  enum Variant: Sendable {
    case baseline, avx2, avx512
  }

  /// The functions.
  var functions: isa_kernels {
    switch variant {
    case .baseline: KernelsBaseline.kernels()
    case .avx2: KernelsAVX2.kernels()
    case .avx512: KernelsAVX512.kernels()
    }
  }
}

/// Every implementation, best first. The first that the machine can run is taken; `ISA_KERNEL` names another.
public enum KernelTable {
  /// Forces a row by its name.
  public static let variable = "ISA_KERNEL"

  public static let rows: [KernelRow] = {
    let features = isa_cpu_features()
    func row(
      _ name: String, _ needs: String, _ variant: KernelRow.Variant, bit: Int, bfloat16: Bool = false
    ) -> KernelRow {
      let has = bit == 0 || features & UInt32(bit) != 0
      return KernelRow(
        name: name, needs: needs, declined: has ? nil : "this CPU or its operating system lacks \(needs)",
        bfloat16: bfloat16, variant: variant)
    }
    return [
      row("avx512-bf16", "AVX-512 F/BW/CD/DQ/VL and BF16", .avx512, bit: ISA_CPU_AVX512_BF16, bfloat16: true),
      row("avx512", "AVX-512 F/BW/CD/DQ/VL", .avx512, bit: ISA_CPU_AVX512),
      row("avx2", "AVX2, FMA and F16C", .avx2, bit: ISA_CPU_AVX2),
      row("baseline", "any x86-64 CPU", .baseline, bit: 0),
    ]
  }()

  /// The row that runs: the one that `ISA_KERNEL` names, else the best.
  public static func chosen() throws(AttentionError) -> KernelRow {
    try row(named: getenv(variable).map { String(cString: $0) })
  }

  /// The row of this name, where it can run; the best for no name.
  public static func row(named name: String?) throws(AttentionError) -> KernelRow {
    guard let name, !name.isEmpty else { return best }
    guard let row = rows.first(where: { $0.name == name }) else {
      let names = rows.map(\.name).joined(separator: ", ")
      throw .unsupported("\(variable)=\(name) names no kernels; use one of \(names).")
    }
    if let reason = row.declined {
      throw .unsupported("\(variable)=\(name) cannot run: \(reason); unset it.")
    }
    return row
  }

  /// The first row that this machine can run.
  public static var best: KernelRow { rows.first(where: \.isAvailable) ?? rows[rows.count - 1] }
}
