// swift-tools-version: 6.1
import PackageDescription

/// The kernels are one source compiled once per instruction set; see Docs/decisions.
func kernels(_ name: String, define: String, _ clangFlags: [String]) -> Target {
  .target(
    name: name, dependencies: ["CKernels"],
    swiftSettings: [
      .define(define),
      .unsafeFlags(["-Ounchecked", "-wmo"] + clangFlags.flatMap { ["-Xcc", $0] }),
    ])
}

let onnx: [LinkerSetting] = ["onnx", "onnx_proto", "protobuf", "z"].map { .linkedLibrary($0) }

/// Needs libFuzzer, and so `-sanitize=fuzzer` in all modules: see Tests/Fuzz/run.
let fuzz: [Target] =
  Context.environment["ISA_FUZZ"] == nil
  ? []
  : [
    .executableTarget(
      name: "fuzz", dependencies: ["AttentionPatterns", "ISAPatch", "ONNXGraph", "SparseAttention", "TestSupport"],
      path: "Tests/Fuzz", exclude: ["run"], linkerSettings: [.unsafeFlags(["-use-ld=lld"])])
  ]

let package = Package(
  name: "isa-patch",
  products: [
    .executable(name: "isa-patch", targets: ["isa-patch"]),
    .library(name: "isa_ops", type: .dynamic, targets: ["ISAOps"]),
    .library(name: "ISAPatch", targets: ["ISAPatch"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // The operator
    .target(name: "CORT"),
    .target(name: "CKernels"),
    .target(name: "SparseAttention"),
    kernels("KernelsBaseline", define: "ISA_BASELINE", []),
    kernels("KernelsAVX2", define: "ISA_AVX2", ["-march=x86-64-v3"]),
    kernels(
      "KernelsAVX512", define: "ISA_AVX512", ["-march=x86-64-v4", "-mavx512bf16", "-mprefer-vector-width=512"]),
    .target(
      name: "SparseAttentionCPU",
      dependencies: ["SparseAttention", "CKernels", "KernelsBaseline", "KernelsAVX2", "KernelsAVX512"],
      swiftSettings: [.unsafeFlags(["-O", "-wmo"])]),
    .target(name: "ISAOpsCore", dependencies: ["CORT", "SparseAttention", "SparseAttentionCPU"]),
    .target(
      name: "ISAOps", dependencies: ["ISAOpsCore"], exclude: ["isa_ops.map"],
      linkerSettings: [
        .linkedLibrary("m"),
        .unsafeFlags([
          "-static-stdlib", "-use-ld=lld",
          "-Xlinker", "--version-script=\(Context.packageDirectory)/Sources/ISAOps/isa_ops.map",
          "-Xlinker", "-Bsymbolic", "-Xlinker", "--gc-sections", "-Xlinker", "-s",
          "-Xlinker", "-z", "-Xlinker", "defs",
          // A session that ends must not unmap the Swift runtime, nor lose the domain and scratch memory.
          "-Xlinker", "-z", "-Xlinker", "nodelete",
        ]),
      ]),
    // The graph
    .target(
      name: "CONNX",
      cxxSettings: [.define("ONNX_NAMESPACE", to: "onnx"), .define("ONNX_ML", to: "1")],
      linkerSettings: onnx),
    .target(name: "ONNXGraph", dependencies: ["CONNX"]),
    .target(name: "GraphRewriting", dependencies: ["ONNXGraph"]),
    .target(name: "AttentionPatterns", dependencies: ["GraphRewriting", "ONNXGraph", "SparseAttention"]),
    // Running and calibrating
    .target(name: "OnnxRuntime", dependencies: ["CORT"]),
    .systemLibrary(name: "CZlib"),
    .target(
      name: "VideoPipeline",
      dependencies: ["CZlib", "OnnxRuntime", "SparseAttention", .product(name: "Yams", package: "Yams")]),
    .target(name: "CalibrationCore", dependencies: ["SparseAttention"]),
    .target(name: "Reporting", dependencies: ["CZlib", "CalibrationCore"]),
    .target(
      name: "ISAPatch",
      dependencies: [
        "AttentionPatterns", "CalibrationCore", "GraphRewriting", "ONNXGraph", "OnnxRuntime", "Reporting",
        "SparseAttention", "SparseAttentionCPU", "VideoPipeline", .product(name: "Yams", package: "Yams"),
      ]),
    .executableTarget(
      name: "isa-patch",
      dependencies: [
        "ISAPatch", "Reporting", "SparseAttention", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "selection-check", dependencies: ["SparseAttention", "SparseAttentionCPU", "VideoPipeline"],
      path: "Tests/Acceptance/SelectionCheck"),
    // Tests mirror targets
    .target(name: "TestSupport", dependencies: ["SparseAttention"], path: "Tests/TestSupport"),
    .testTarget(name: "SparseAttentionTests", dependencies: ["SparseAttention", "TestSupport"]),
    .testTarget(name: "SparseAttentionCPUTests", dependencies: ["SparseAttentionCPU", "TestSupport"]),
    .testTarget(name: "ISAOpsCoreTests", dependencies: ["ISAOpsCore", "OnnxRuntime", "TestSupport"]),
    .testTarget(name: "OnnxRuntimeTests", dependencies: ["OnnxRuntime", "TestSupport"]),
    .testTarget(name: "ONNXGraphTests", dependencies: ["ONNXGraph", "TestSupport"]),
    .testTarget(name: "GraphRewritingTests", dependencies: ["GraphRewriting", "TestSupport"]),
    .testTarget(name: "AttentionPatternsTests", dependencies: ["AttentionPatterns", "TestSupport"]),
    .testTarget(name: "VideoPipelineTests", dependencies: ["VideoPipeline", "TestSupport"]),
    .testTarget(name: "ReportingTests", dependencies: ["Reporting"]),
    .testTarget(name: "CalibrationCoreTests", dependencies: ["CalibrationCore", "TestSupport"]),
    .testTarget(
      name: "ISAPatchTests", dependencies: ["ISAPatch", "OnnxRuntime", "Reporting", "TestSupport", "VideoPipeline"]),
  ] + fuzz,
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx17
)
